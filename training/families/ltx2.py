"""LTX-2: the video half of it, without its sound. Rectified flow; captions by Gemma 3 through the model's connectors.

The transformer has a stream of video and one of sound, which look at each other. Here the video's is alone
(`isolate_modalities`), so a LoRA of its layers learns from silent clips, and the sound of the released model stays.

Sources: diffusers 0.42.1, `pipelines/ltx2/pipeline_ltx2.py`, `pipeline_ltx2_image2video.py` and
`models/transformers/transformer_ltx2.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from training.families.family import Asked
from training.families.folder import PipelineFolder
from training.families.ltx import Ltx, tokens_of
from training.models.grid import TokenGrid
from training.models.text import Text

_OF_SOUND = ("audio", "a2v", "v2a", "av_cross")
"""In the names of weights that only sound needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ltx2(Ltx):
    """As LTX-Video, with another text: the connectors put registers where it is padded, and all of it is read."""

    pipeline: ClassVar[str] = "LTX2Pipeline"
    transformer: ClassVar[str] = "LTX2VideoTransformer3DModel"
    vae: ClassVar[str] = "AutoencoderKLLTX2Video"
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "connectors")

    frames_per_second: float = 24.0

    def grid(self, folder: PipelineFolder) -> TokenGrid:
        """8 x 32 x 32."""
        temporal, spatial, _ = folder.setting("transformer", "vae_scale_factors")
        patch = folder.setting("transformer", "patch_size")
        return TokenGrid(temporal_stride=temporal, spatial_stride=spatial, patch=patch)

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """What the connectors make of Gemma's layers for the video."""
        layers, mask, *_ = pipeline.encode_prompt(captions, do_classifier_free_guidance=False)
        side = pipeline.tokenizer.padding_side
        vectors, _, mask = pipeline.connectors(layers, mask, padding_side=side)
        if not mask.all():
            raise ValueError("these connectors of LTX-2 have no registers, and leave gaps in front of a text")
        return vectors, mask.bool()

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity; of what is told, that which keeps it where it is. There is one token of sound, unheard."""
        config, latents, told_B = transformer.config, asked.latents, asked.told
        frames, height, width = latents.shape[2:]
        times = told_B[:, None].expand(-1, frames * height * width)
        if asked.condition is not None:
            free = self.learnt(latents, asked.condition, transformer)
            latents = latents * free + asked.condition[:, 1:]
            times = times * tokens_of(free)[..., 0]
        width_of_sound = config.audio_num_attention_heads * config.audio_attention_head_dim
        answer: torch.Tensor = transformer(
            hidden_states=tokens_of(latents),
            audio_hidden_states=latents.new_zeros(len(latents), 1, config.audio_in_channels),
            encoder_hidden_states=asked.text[0],
            audio_encoder_hidden_states=latents.new_zeros(
                len(latents), 1, config.caption_channels if config.use_prompt_embeddings else width_of_sound
            ),
            timestep=times,
            audio_timestep=told_B,
            sigma=told_B,
            encoder_attention_mask=asked.text[1].to(latents.dtype),
            num_frames=frames,
            height=height,
            width=width,
            fps=self.frames_per_second,
            audio_num_frames=1,
            isolate_modalities=True,
            return_dict=False,
        )[0]
        return answer.transpose(1, 2).reshape(latents.shape)

    def idle(self, transformer: Any) -> list[str]:
        """All that is of sound."""
        return [name for name, _ in transformer.named_parameters() if any(part in name for part in _OF_SOUND)]
