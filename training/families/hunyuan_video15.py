"""HunyuanVideo 1.5, 8.3 B: text to video, and from a first frame. Rectified flow; captions by Qwen2.5-VL, and what they
quote by ByT5; a first frame by its latent, in channels beside, and by SigLIP.

Sources: diffusers 0.42.1, `pipelines/hunyuan_video1_5/pipeline_hunyuan_video1_5.py` and
`pipeline_hunyuan_video1_5_image2video.py`. These pipelines take no LoRA themselves:
`pipe.transformer.load_lora_adapter(FILE)` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import nn

from training.families.family import Asked
from training.families.first_frames import Encoders, taken_from
from training.families.folder import PipelineFolder
from training.families.hunyuan_video import HunyuanVideo
from training.families.skeleton import skeleton
from training.families.texts import packed, unpacked
from training.models.text import Text
from training.objectives.text_to_video import first_frame_condition

CAPTION, QUOTED = 1, 2
"""Numbers of the encoders in packed texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HunyuanVideo15(HunyuanVideo):
    """The transformer has channels for a first frame, and tokens for what SigLIP sees in it: both are empty where none
    is told. Weights for texts alone come without SigLIP."""

    pipeline: ClassVar[str] = "HunyuanVideo15Pipeline"
    transformer: ClassVar[str] = "HunyuanVideo15Transformer3DModel"
    vae: ClassVar[str] = "AutoencoderKLHunyuanVideo15"
    image_parts: ClassVar[tuple[str, str]] = ("image_encoder", "feature_extractor")
    lora_targets: ClassVar[str] = "attn,ff,ff_context"

    shift: float = 5.0
    """Of 480p; 9 of 720p."""

    def stand_ins(self, folder: PipelineFolder) -> dict[str, Any]:
        """The pipeline asks its autoencoder how many channels there are."""
        return {"vae": skeleton(self.vae, folder.config("vae"))}

    def sees_first_frames(self, folder: PipelineFolder) -> bool:
        """Where there is something that looks at it."""
        return folder.has(self.image_parts[0])

    def image_tokens(self, folder: PipelineFolder) -> int:
        """SigLIP's 729 patches."""
        if not self.sees_first_frames(folder):
            return 0
        config = folder.config(self.image_parts[0])
        return int((config["image_size"] // config["patch_size"]) ** 2)

    def seen(self, encoders: Encoders, first_B31HW: torch.Tensor, num_latents: int) -> list[torch.Tensor]:
        """SigLIP's vectors: the video's first latent is the frame's own."""
        assert encoders.eyes is not None
        return [encoders.eyes(first_B31HW)]

    def seen_shapes(self, transformer: Any, image_tokens: int, size: Sequence[int]) -> list[tuple[int, ...]]:
        """SigLIP's vectors."""
        return [(image_tokens, int(transformer.config.image_embed_dim))]

    def condition(
        self, first_BC1HW: torch.Tensor, seen: torch.Tensor, known_B: torch.Tensor, num_latents: int
    ) -> torch.Tensor:
        """The latent and a mask, then what was seen."""
        mask_and_latents = first_frame_condition(first_BC1HW, num_latents, known_B)
        rest = seen * known_B.view(-1, 1, 1, 1, 1)
        return torch.cat([mask_and_latents[:, 1:], mask_and_latents[:, :1], rest], dim=1)

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """Both encoders, packed; most captions quote nothing."""
        caption, mask, quoted, quoted_mask = pipeline.encode_prompt(captions, batch_size=len(captions))
        return packed([(caption, mask.bool()), (quoted, quoted_mask.bool())])

    def text_width(self, transformer: Any) -> int:
        """The wider one's, and the number of the encoder."""
        return 1 + max(int(transformer.config.text_embed_dim), int(transformer.config.text_embed_2_dim))

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity. The transformer looks at SigLIP's tokens of all samples or of none: those of which a frame is
        told are asked about apart from the others, so that no sample's answer depends on its neighbours."""
        condition = asked.condition
        if condition is None:
            return self._answer(transformer, asked, None)
        is_told = condition.flatten(1).any(dim=1).tolist()
        answer = torch.empty_like(asked.latents)
        for told in (True, False):
            rows = [row for row, is_of_these in enumerate(is_told) if bool(is_of_these) == told]
            if rows:
                some = replace(asked, latents=asked.latents[rows], told=asked.told[rows], text=_of(asked.text, rows))
                answer[rows] = self._answer(transformer, some, condition[rows] if told else None).to(answer.dtype)
        return answer

    def _answer(self, transformer: Any, asked: Asked, condition: torch.Tensor | None) -> torch.Tensor:
        config, latents, length = transformer.config, asked.latents, asked.text[0].shape[1]
        caption, mask = unpacked(asked.text, CAPTION, width=config.text_embed_dim, length=length)
        quoted, quoted_mask = unpacked(asked.text, QUOTED, width=config.text_embed_2_dim, length=length)
        more = config.in_channels - latents.shape[1]
        if condition is None:
            beside = latents.new_zeros(len(latents), more, *latents.shape[2:])
            image = latents.new_zeros(len(latents), 1, config.image_embed_dim)
        else:
            beside = condition[:, :more]
            [image] = taken_from(condition[:, more:], (asked.image_tokens, config.image_embed_dim))
        answer: torch.Tensor = transformer(
            hidden_states=torch.cat([latents, beside], dim=1),
            timestep=asked.told,
            encoder_hidden_states=caption,
            encoder_attention_mask=mask,
            encoder_hidden_states_2=quoted,
            encoder_attention_mask_2=quoted_mask,
            image_embeds=image,
            return_dict=False,
        )[0]
        return answer

    def blocks(self, transformer: Any) -> list[nn.Module]:
        """54, all with two streams."""
        return list(transformer.transformer_blocks)

    def idle(self, transformer: Any) -> list[str]:
        """The last block's text goes nowhere."""
        last = f"transformer_blocks.{len(transformer.transformer_blocks) - 1}"
        return [f"{last}.attn.to_add_out", f"{last}.ff_context"]


def _of(text: Text, rows: list[int]) -> Text:
    return text[0][rows], text[1][rows]
