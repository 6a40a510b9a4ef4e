"""LTX-Video (arXiv 2501.00103): text to video, and from a first frame. Rectified flow; captions by T5-xxl, 128 tokens.

A first frame is told by its clean latents, at timestep 0, and is no part of the loss; any LTX model can be told one.

Sources: diffusers 0.42.1, `pipelines/ltx/pipeline_ltx.py` and `pipeline_ltx_image2video.py`; Lightricks' ltx-trainer,
`timestep_samplers.py`, for the levels of noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from training.families.family import Asked, Family, channels_first
from training.families.folder import PipelineFolder
from training.models.grid import TokenGrid
from training.models.text import Text
from training.run.noise import SampleNoise


@dataclass(frozen=True, slots=True, kw_only=True)
class Ltx(Family):
    """Latents of 8 x 32 x 32 pixels, each a token; noise by how many there are."""

    pipeline: ClassVar[str] = "LTXPipeline"
    transformer: ClassVar[str] = "LTXVideoTransformer3DModel"
    vae: ClassVar[str] = "AutoencoderKLLTXVideo"
    lora_targets: ClassVar[str] = "attn1,attn2,ff"

    shift: float = 7.77
    """In sampling: e^2.05, the pipeline's for 4,096 tokens. In training it follows the tokens."""
    frames_per_second: float = 25.0
    """Of the samples (`data.sampler.fps`): positions in time are in seconds."""

    def grid(self, folder: PipelineFolder) -> TokenGrid:
        """8 x 32 x 32."""
        halvings = 2 ** sum(folder.setting("vae", "spatio_temporal_scaling"))
        temporal, spatial = (folder.setting("vae", f"{axis}_compression_ratio") for axis in ("temporal", "spatial"))
        return TokenGrid(
            temporal_stride=temporal or halvings * folder.setting("vae", "patch_size_t"),
            spatial_stride=spatial or halvings * folder.setting("vae", "patch_size"),
            patch=folder.setting("transformer", "patch_size"),
        )

    def tells_first_frames(self, folder: PipelineFolder) -> bool:
        """Any of them, by its latents."""
        return True

    def encode(self, vae: Any, video: torch.Tensor) -> torch.Tensor:
        """Each channel has its mean and deviation among the autoencoder's weights."""
        mean: torch.Tensor = vae.encode(video).latent_dist.mode()
        mean = mean - channels_first(vae.latents_mean, mean)
        scale: float = vae.config.scaling_factor
        return mean * scale / channels_first(vae.latents_std, mean)

    def decode(self, vae: Any, latents: torch.Tensor) -> torch.Tensor:
        """The way back; the newer decoders also take noise away, and are told that there is none."""
        latents = latents * channels_first(vae.latents_std, latents) / vae.config.scaling_factor
        latents = latents + channels_first(vae.latents_mean, latents)
        noise = latents.new_zeros(len(latents)) if vae.config.timestep_conditioning else None
        video: torch.Tensor = vae.decode(latents, noise, return_dict=False)[0]
        return video

    def levels(self, noise: SampleNoise, tokens: int, *, lowest: float = 0.0, highest: float = 1.0) -> torch.Tensor:
        """sigmoid of N(m, 1), where m goes from 0.95 at 1,024 tokens to 2.05 at 4,096, and on."""
        middle = 0.95 + (2.05 - 0.95) * (tokens - 1024) / (4096 - 1024)
        return torch.sigmoid(noise.normal() + middle)

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """T5 reads the padding along with the text; the transformer does not."""
        vectors, mask, *_ = pipeline.encode_prompt(captions, do_classifier_free_guidance=False)
        return vectors, mask.bool()

    def tells_in_place(self, transformer: Any) -> bool:
        """Any of them."""
        return True

    def text_width(self, transformer: Any) -> int:
        """The text encoder's."""
        return int(transformer.config.caption_channels)

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity; of what is told, that which keeps it where it is."""
        latents, times, grid = asked.latents, asked.told, asked.grid
        frames, height, width = latents.shape[2:]
        seconds = grid.temporal_stride / self.frames_per_second
        if asked.condition is not None:
            free = self.learnt(latents, asked.condition, transformer)
            latents = latents * free + asked.condition[:, 1:]
            times = times[:, None] * tokens_of(free)[..., 0]
        answer: torch.Tensor = transformer(
            hidden_states=tokens_of(latents),
            encoder_hidden_states=asked.text[0],
            timestep=times,
            encoder_attention_mask=asked.text[1],
            num_frames=frames,
            height=height,
            width=width,
            rope_interpolation_scale=(seconds, grid.spatial_stride, grid.spatial_stride),
            return_dict=False,
        )[0]
        return answer.transpose(1, 2).reshape(latents.shape)


def tokens_of(latents: torch.Tensor) -> torch.Tensor:
    """(B, C, T, h, w) as (B, T * h * w, C)."""
    return latents.flatten(2).transpose(1, 2)
