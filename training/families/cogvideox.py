"""CogVideoX 1.5 and 1.0 (arXiv 2408.06072): text to video. A diffusion in 1000 steps, v is answered; T5-xxl reads.

Sources: diffusers 0.42.1, `pipelines/cogvideo/pipeline_cogvideox.py`, `examples/cogvideo/train_cogvideox_lora.py`; and
THUDM's `finetune/models/cogvideox_t2v/lora_trainer.py`, whose clips of an odd number of latents begin with the first
one twice, since 1.5 joins two latents to a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from training.families.family import Asked, Family
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

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """v."""
        answer: torch.Tensor = transformer(
            hidden_states=asked.latents.transpose(1, 2),
            encoder_hidden_states=asked.text[0],
            timestep=asked.told,
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
