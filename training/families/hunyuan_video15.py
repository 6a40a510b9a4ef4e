"""HunyuanVideo 1.5: text to video, 8.3 B. Rectified flow; captions by Qwen2.5-VL, and what they quote by ByT5.

Source: diffusers 0.42.1, `pipelines/hunyuan_video1_5/pipeline_hunyuan_video1_5.py`. That pipeline takes no LoRA itself:
`pipe.transformer.load_lora_adapter(FILE)` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from training.families.family import Asked
from training.families.folder import PipelineFolder
from training.families.hunyuan_video import HunyuanVideo
from training.families.skeleton import skeleton
from training.families.texts import packed, unpacked
from training.models.text import Text

CAPTION, QUOTED = 1, 2
"""Numbers of the encoders in packed texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HunyuanVideo15(HunyuanVideo):
    """The transformer has channels for a first frame, and tokens for what SigLIP sees in it: both are empty here."""

    pipeline: ClassVar[str] = "HunyuanVideo15Pipeline"
    transformer: ClassVar[str] = "HunyuanVideo15Transformer3DModel"
    vae: ClassVar[str] = "AutoencoderKLHunyuanVideo15"
    lora_targets: ClassVar[str] = "attn,ff,ff_context"

    shift: float = 5.0
    """Of 480p; 9 of 720p."""

    def stand_ins(self, folder: PipelineFolder) -> dict[str, Any]:
        """The pipeline asks its autoencoder how many channels there are."""
        return {"vae": skeleton(self.vae, folder.config("vae"))}

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """Both encoders, packed; most captions quote nothing."""
        caption, mask, quoted, quoted_mask = pipeline.encode_prompt(captions, batch_size=len(captions))
        return packed([(caption, mask.bool()), (quoted, quoted_mask.bool())])

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity."""
        config, latents, length = transformer.config, asked.latents, asked.text[0].shape[1]
        caption, mask = unpacked(asked.text, CAPTION, width=config.text_embed_dim, length=length)
        quoted, quoted_mask = unpacked(asked.text, QUOTED, width=config.text_embed_2_dim, length=length)
        empty = latents.new_zeros(len(latents), config.in_channels - latents.shape[1], *latents.shape[2:])
        answer: torch.Tensor = transformer(
            hidden_states=torch.cat([latents, empty], dim=1),
            timestep=asked.told,
            encoder_hidden_states=caption,
            encoder_attention_mask=mask,
            encoder_hidden_states_2=quoted,
            encoder_attention_mask_2=quoted_mask,
            image_embeds=latents.new_zeros(len(latents), 1, config.image_embed_dim),
            return_dict=False,
        )[0]
        return answer

    def idle(self, transformer: Any) -> list[str]:
        """The last block's text goes nowhere."""
        last = f"transformer_blocks.{len(transformer.transformer_blocks) - 1}"
        return [f"{last}.attn.to_add_out", f"{last}.ff_context"]
