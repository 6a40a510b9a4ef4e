"""EasyAnimate 5.1 (arXiv 2405.18991): text to video, 7 B and 12 B. Rectified flow; captions by Qwen2-VL, 256 tokens.

Source: diffusers 0.42.1, `pipelines/easyanimate/pipeline_easyanimate.py`. Its transformer takes a LoRA by PEFT alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from training.families.family import Asked, Family
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

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """Padding is read as text is."""
        vectors, *_ = pipeline.encode_prompt(captions, do_classifier_free_guidance=False)
        return all_read(vectors)

    def text_width(self, transformer: Any) -> int:
        """The text encoder's."""
        return int(transformer.config.text_embed_dim)

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity; a model that paints in is told of nothing that is there."""
        latents = asked.latents
        more = transformer.config.in_channels - latents.shape[1]
        answer: torch.Tensor = transformer(
            hidden_states=latents,
            timestep=asked.told,
            encoder_hidden_states=asked.text[0],
            inpaint_latents=latents.new_zeros(len(latents), more, *latents.shape[2:]) if more else None,
            return_dict=False,
        )[0]
        return answer[:, : latents.shape[1]]

    def idle(self, transformer: Any) -> list[str]:
        """The last block's text goes nowhere; where it has layers of its own for it, as 12 B has, those are idle."""
        if transformer.transformer_blocks[-1].txt_ff is None:
            return []
        last = f"transformer_blocks.{len(transformer.transformer_blocks) - 1}"
        return [f"{last}.attn1.to_add_out", f"{last}.txt_ff"]
