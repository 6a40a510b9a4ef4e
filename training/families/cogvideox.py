"""CogVideoX 1.5 and 1.0 (arXiv 2408.06072): text to video, and from a first frame. A diffusion in 1000 steps, v is
answered; T5-xxl reads. A first frame is told by its latent, in channels beside the first of the noised ones.

Sources: diffusers 0.42.1, `pipelines/cogvideo/pipeline_cogvideox.py` and `pipeline_cogvideox_image2video.py`,
`examples/cogvideo/train_cogvideox_lora.py` and `train_cogvideox_image_to_video_lora.py`; and THUDM's
`finetune/models/cogvideox_t2v/lora_trainer.py`, whose clips of an odd number of latents begin with the first one twice,
since 1.5 joins two latents to a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from training.families.family import Asked, Family
from training.families.first_frames import Encoders, taken_from
from training.families.folder import PipelineFolder
from training.families.library import diffusers_class
from training.families.paths import DiffusionPath
from training.families.texts import all_read
from training.models.grid import Shape, TokenGrid
from training.models.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedGrid(TokenGrid):
    """Of a transformer that joins `joined` latents along time. Tokens are counted as if it did not."""

    joined: int = 1

    def latents(self, shape: Shape) -> tuple[int, int, int]:
        """As many latents as are joined without a rest: those in front of the sample's own are nobody's."""
        count, height, width = TokenGrid.latents(self, shape)  # slots make a new class, which super() does not know
        return -(-count // self.joined) * self.joined, height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class CogVideoX(Family):
    """The transformer attends to the padding of captions as T5 has it: it is always there, up to 226."""

    pipeline: ClassVar[str] = "CogVideoXPipeline"
    transformer: ClassVar[str] = "CogVideoXTransformer3DModel"
    vae: ClassVar[str] = "AutoencoderKLCogVideoX"
    lora_targets: ClassVar[str] = "to_q,to_k,to_v,to_out"

    def grid(self, folder: PipelineFolder) -> JoinedGrid:
        """The autoencoder halves the sides once for each but one of its blocks."""
        return JoinedGrid(
            temporal_stride=int(folder.setting("vae", "temporal_compression_ratio")),
            spatial_stride=2 ** (len(folder.setting("vae", "block_out_channels")) - 1),
            patch=folder.setting("transformer", "patch_size"),
            joined=folder.setting("transformer", "patch_size_t") or 1,
        )

    def sees_first_frames(self, folder: PipelineFolder) -> bool:
        """Where there are channels for its latent."""
        return bool(folder.setting("transformer", "in_channels") > self.latent_channels(folder))

    def seen(self, encoders: Encoders, first_B31HW: torch.Tensor, num_latents: int) -> list[torch.Tensor]:
        """The frame's own latent: this autoencoder's first one knows of frames behind it. Some weights were made with
        latents that had been scaled the wrong way, and say so."""
        latent, config = self.encode(encoders.vae, first_B31HW), encoders.vae.config
        return [latent / config.scaling_factor**2 if config.invert_scale_latents else latent]

    def seen_shapes(self, transformer: Any, image_tokens: int, size: Sequence[int]) -> list[tuple[int, ...]]:
        """A latent."""
        return [(int(transformer.config.out_channels), 1, *size[1:])]

    def condition(
        self, first_BC1HW: torch.Tensor, seen: torch.Tensor, known_B: torch.Tensor, num_latents: int
    ) -> torch.Tensor:
        """The latent, and zeros."""
        [latent] = taken_from(seen, first_BC1HW.shape[1:])
        condition = latent.new_zeros(*latent.shape[:2], num_latents, *latent.shape[3:])
        condition[:, :, :1] = latent
        return condition * known_B.view(-1, 1, 1, 1, 1)

    def path(self, folder: PipelineFolder) -> DiffusionPath:
        """The scheduler's, with a last step of pure noise and its signal to noise shifted."""
        scheduler = diffusers_class("CogVideoXDDIMScheduler").from_pretrained(folder.path, subfolder="scheduler")
        kind = scheduler.config.prediction_type
        if kind != "v_prediction":
            raise ValueError(f"objective.model={folder.model}: its scheduler is for {kind}, not for v_prediction")
        return DiffusionPath(alphas_cumprod=scheduler.alphas_cumprod.float())

    def fitted(self, clean: torch.Tensor, transformer: Any) -> torch.Tensor:
        """With the first latent again in front, as often as it takes."""
        joined = transformer.config.patch_size_t or 1
        return torch.cat([clean[:, :, :1].expand(-1, -1, -clean.shape[2] % joined, -1, -1), clean], dim=2)

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """Padding is read as text is."""
        vectors, _ = pipeline.encode_prompt(captions, do_classifier_free_guidance=False)
        return all_read(vectors)

    def text_width(self, transformer: Any) -> int:
        """The text encoder's."""
        return int(transformer.config.text_embed_dim)

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """v."""
        latents, condition = asked.latents, asked.condition
        if more := transformer.config.in_channels - latents.shape[1]:
            nothing = latents.new_zeros(len(latents), more, *latents.shape[2:])
            latents = torch.cat([latents, nothing if condition is None else condition], dim=1)
        has_offset = transformer.config.ofs_embed_dim is not None
        answer: torch.Tensor = transformer(
            hidden_states=latents.transpose(1, 2),
            encoder_hidden_states=asked.text[0],
            timestep=asked.told,
            ofs=latents.new_full((1,), 2.0) if has_offset else None,  # what weights from a first frame know of it
            image_rotary_emb=positions(transformer.config, asked.latents),
            return_dict=False,
        )[0]
        return answer.transpose(1, 2)


def positions(config: Any, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Cosines and sines of the tokens of latents (B, C, T, h, w); None where the model adds its positions itself."""
    if not config.use_rotary_positional_embeddings:
        return None
    from diffusers.models.embeddings import get_3d_rotary_pos_embed
    from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

    frames, height, width = latents.shape[2:]
    grid = (height // config.patch_size, width // config.patch_size)
    most = (config.sample_height // config.patch_size, config.sample_width // config.patch_size)
    how: dict[str, Any] = {"embed_dim": config.attention_head_dim, "grid_size": grid, "device": latents.device}
    if config.patch_size_t is None:  # 1.0: stretched to the size that it was trained in
        region = get_resize_crop_region_for_grid(grid, most[1], most[0])
        cosines, sines = get_3d_rotary_pos_embed(crops_coords=region, temporal_size=frames, **how)
    else:
        joined = -(-frames // config.patch_size_t)
        cosines, sines = get_3d_rotary_pos_embed(
            crops_coords=None, temporal_size=joined, grid_type="slice", max_size=most, **how
        )
    return cosines, sines
