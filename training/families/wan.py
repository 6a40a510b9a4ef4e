"""Wan 2.1 (arXiv 2503.20314): text to video, 1.3 B and 14 B, and from a first frame, 14 B. Rectified flow; captions by
umT5-xxl, 512 tokens.

What tells a first frame are channels beside the latents: a mask, and latents of the frame with grey behind it; and of
2.1 what CLIP sees in it. All latents are learnt.

Sources: diffusers 0.42.1, `pipelines/wan/pipeline_wan.py`, `pipeline_wan_i2v.py` and
`models/transformers/transformer_wan.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from training.families.family import Asked, Family, channels_first
from training.families.first_frames import Encoders, taken_from
from training.families.folder import PipelineFolder
from training.families.texts import to_length
from training.models.grid import TokenGrid
from training.models.text import Text

_MASK_CHANNELS = 4
"""Frames of a latent."""
_ATTENTIONS = (("attn1", "self_attn"), ("attn2", "cross_attn"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wan(Family):
    """The transformer attends to the padding of captions, which is zero: it is always there, up to 512."""

    pipeline: ClassVar[str] = "WanPipeline"
    transformer: ClassVar[str] = "WanTransformer3DModel"
    vae: ClassVar[str] = "AutoencoderKLWan"
    image_layer: ClassVar[int] = -1
    lora_targets: ClassVar[str] = "attn1,attn2,ffn"

    shift: float = 3.0
    """Wan's own for 480p; 5 for 720p."""
    text_tokens: int = 512
    """Of a caption, with its padding."""

    def grid(self, folder: PipelineFolder) -> TokenGrid:
        """Strides of the autoencoder, patches of the transformer."""
        return TokenGrid(
            temporal_stride=folder.setting("vae", "scale_factor_temporal"),
            spatial_stride=folder.setting("vae", "scale_factor_spatial"),
            patch=folder.setting("transformer", "patch_size")[1],
        )

    def latent_channels(self, folder: PipelineFolder) -> int:
        """16; 48 of Wan 2.2's 5 B."""
        return int(folder.setting("vae", "z_dim"))

    def sees_first_frames(self, folder: PipelineFolder) -> bool:
        """Where there are channels for it: 36 of 14 B."""
        return bool(folder.setting(self.part, "in_channels") > self.latent_channels(folder))

    def image_tokens(self, folder: PipelineFolder) -> int:
        """CLIP's 256 patches and one of all, of 2.1; of 2.2 none."""
        if folder.setting(self.part, "image_dim") is None:
            return 0
        config = folder.config(self.image_parts[0])
        return int((config["image_size"] // config["patch_size"]) ** 2 + 1)

    def seen(self, encoders: Encoders, first_B31HW: torch.Tensor, num_latents: int) -> list[torch.Tensor]:
        """Latents of the frame with grey behind it, and CLIP's vectors."""
        frames = (num_latents - 1) * encoders.vae.config.scale_factor_temporal
        latents = self.encode(encoders.vae, functional.pad(first_B31HW, (0, 0, 0, 0, 0, frames)))
        return [latents] if encoders.eyes is None else [latents, encoders.eyes(first_B31HW)]

    def seen_shapes(self, transformer: Any, image_tokens: int, size: Sequence[int]) -> list[tuple[int, ...]]:
        """Latents, and CLIP's vectors."""
        config = transformer.config
        vectors = [(image_tokens, int(config.image_dim))] if image_tokens else []
        return [(int(config.out_channels), *size), *vectors]

    def condition(
        self, first_BC1HW: torch.Tensor, seen: torch.Tensor, known_B: torch.Tensor, num_latents: int
    ) -> torch.Tensor:
        """A mask of a channel for each frame of a latent, and what was seen."""
        mask = seen.new_zeros(len(seen), _MASK_CHANNELS, *seen.shape[2:])
        mask[:, :, 0] = 1
        return torch.cat([mask, seen], dim=1) * known_B.view(-1, 1, 1, 1, 1)

    def encode(self, vae: Any, video: torch.Tensor) -> torch.Tensor:
        """Each channel has its mean and deviation in the autoencoder's settings."""
        mean: torch.Tensor = vae.encode(video).latent_dist.mode()
        return (mean - channels_first(vae.config.latents_mean, mean)) / channels_first(vae.config.latents_std, mean)

    def decode(self, vae: Any, latents: torch.Tensor) -> torch.Tensor:
        """The way back."""
        config = vae.config
        video: torch.Tensor = vae.decode(
            latents * channels_first(config.latents_std, latents) + channels_first(config.latents_mean, latents)
        ).sample
        return video

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """What is zero is padding."""
        vectors, _ = pipeline.encode_prompt(
            captions, do_classifier_free_guidance=False, max_sequence_length=self.text_tokens
        )
        return vectors, vectors.abs().sum(-1) > 0

    def text_width(self, transformer: Any) -> int:
        """The text encoder's."""
        return int(transformer.config.text_dim)

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity."""
        latents, condition, config = asked.latents, asked.condition, transformer.config
        image = latents.new_zeros(len(latents), asked.image_tokens, config.image_dim) if config.image_dim else None
        if more := config.in_channels - latents.shape[1]:
            beside = latents.new_zeros(len(latents), more, *latents.shape[2:])
            if condition is not None:
                beside = condition[:, :more]
                if image is not None:
                    [image] = taken_from(condition[:, more:], image.shape[1:])
            latents = torch.cat([latents, beside], dim=1)
        answer: torch.Tensor = transformer(
            hidden_states=latents,
            timestep=asked.told,
            encoder_hidden_states=to_length(asked.text, self.text_tokens)[0],
            encoder_hidden_states_image=image,
            return_dict=False,
        )[0]
        return answer

    def blocks(self, transformer: Any) -> list[nn.Module]:
        """30 of 1.3 B, 40 of 14 B."""
        return list(transformer.blocks)

    @property
    def comfyui_name(self) -> Callable[[str], str]:
        """ComfyUI has the names of Wan's own release, which diffusers' loader takes as well."""
        return released_name


_RELEASED = {
    "attn1.to_out.0": "self_attn.o",
    "attn2.to_out.0": "cross_attn.o",
    "attn2.add_k_proj": "cross_attn.k_img",
    "attn2.add_v_proj": "cross_attn.v_img",
    **{f"{ours}.to_{part}": f"{theirs}.{part}" for ours, theirs in _ATTENTIONS for part in "qkv"},
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "proj_out": "head.head",
}


def released_name(layer: str) -> str:
    """The name of a linear layer, such as `blocks.0.attn1.to_q`, in Wan's own release: `blocks.0.self_attn.q`."""
    for ours, theirs in _RELEASED.items():
        if f".{layer}".endswith(f".{ours}"):
            return layer.removesuffix(ours) + theirs
    return layer
