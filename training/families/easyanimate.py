"""EasyAnimate 5.1 (arXiv 2405.18991): text to video, and from a first frame (InP), 7 B and 12 B. Rectified flow;
captions by Qwen2-VL, 256 tokens.

What tells a first frame are channels beside the latents: a mask, and latents of the frame with black behind it. All
latents are learnt.

Sources: diffusers 0.42.1, `pipelines/easyanimate/pipeline_easyanimate.py` and `pipeline_easyanimate_inpaint.py`. Its
transformer takes a LoRA by PEFT alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch.nn import functional

from training.families.family import Asked, Family
from training.families.first_frames import Encoders
from training.families.folder import PipelineFolder
from training.families.texts import all_read
from training.models.grid import TokenGrid
from training.models.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class EasyAnimate(Family):
    """The transformer attends to the padding of captions as Qwen2-VL has it: it is always there, up to 256."""

    pipeline: ClassVar[str] = "EasyAnimatePipeline"
    transformer: ClassVar[str] = "EasyAnimateTransformer3DModel"
    vae: ClassVar[str] = "AutoencoderKLMagvit"
    lora_targets: ClassVar[str] = "attn1,ff,txt_ff"

    def grid(self, folder: PipelineFolder) -> TokenGrid:
        """The autoencoder halves the sides once for each but one of its blocks, and time for each but two."""
        blocks = len(folder.setting("vae", "block_out_channels"))
        return TokenGrid(
            temporal_stride=2 ** (blocks - 2),
            spatial_stride=2 ** (blocks - 1),
            patch=folder.setting("transformer", "patch_size"),
        )

    def sees_first_frames(self, folder: PipelineFolder) -> bool:
        """Where there are channels for a mask and a video that is known in part: 33 of InP."""
        channels = self.latent_channels(folder)
        return bool(
            folder.setting("transformer", "in_channels") == 2 * channels + 1
            and folder.setting("transformer", "resize_inpaint_mask_directly")
        )

    def seen(self, encoders: Encoders, first_B31HW: torch.Tensor, num_latents: int) -> list[torch.Tensor]:
        """The mask, 0 where the video is not known and else the scale of the autoencoder; latents of the frame with
        black behind it."""
        frames = (num_latents - 1) * encoders.vae.temporal_compression_ratio
        latents = self.encode(encoders.vae, functional.pad(first_B31HW, (0, 0, 0, 0, 0, frames), value=-1.0))
        mask = torch.zeros_like(latents[:, :1])
        mask[:, :, 0] = encoders.vae.config.scaling_factor
        return [mask, latents]

    def seen_shapes(self, transformer: Any, image_tokens: int, size: Sequence[int]) -> list[tuple[int, ...]]:
        """A mask and latents."""
        return [(1, *size), (int(transformer.config.out_channels), *size)]

    def condition(
        self, first_BC1HW: torch.Tensor, seen: torch.Tensor, known_B: torch.Tensor, num_latents: int
    ) -> torch.Tensor:
        """All that was seen."""
        return seen * known_B.view(-1, 1, 1, 1, 1)

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """Padding is read as text is."""
        vectors, *_ = pipeline.encode_prompt(captions, do_classifier_free_guidance=False)
        return all_read(vectors)

    def text_width(self, transformer: Any) -> int:
        """The text encoder's."""
        return int(transformer.config.text_embed_dim)

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity; a model that paints in and is told no frame is told of nothing that is there."""
        latents, told = asked.latents, asked.condition
        if told is None and (more := transformer.config.in_channels - latents.shape[1]):
            told = latents.new_zeros(len(latents), more, *latents.shape[2:])
        answer: torch.Tensor = transformer(
            hidden_states=latents,
            timestep=asked.told,
            encoder_hidden_states=asked.text[0],
            inpaint_latents=told,
            return_dict=False,
        )[0]
        return answer[:, : latents.shape[1]]

    def idle(self, transformer: Any) -> list[str]:
        """The last block's text goes nowhere; where it has layers of its own for it, as 12 B has, those are idle."""
        if transformer.transformer_blocks[-1].txt_ff is None:
            return []
        last = f"transformer_blocks.{len(transformer.transformer_blocks) - 1}"
        return [f"{last}.attn1.to_add_out", f"{last}.txt_ff"]
