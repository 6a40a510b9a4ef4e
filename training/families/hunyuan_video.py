"""HunyuanVideo (arXiv 2412.03603): text to video; `hunyuan_video_image` has that from a first frame. Rectified flow;
captions by Llama 3 within a template, and by CLIP.

Source: diffusers 0.42.1, `pipelines/hunyuan_video/pipeline_hunyuan_video.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from training.families.family import Asked, Family
from training.families.folder import PipelineFolder
from training.families.texts import packed, unpacked
from training.models.grid import TokenGrid
from training.models.text import Text

WORDS, WHOLE = 1, 2
"""Numbers of the encoders in packed texts: Llama's vector of each token, and CLIP's one vector of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HunyuanVideo(Family):
    """The released transformer was distilled to be told how far it is guided, in place of being asked twice."""

    pipeline: ClassVar[str] = "HunyuanVideoPipeline"
    transformer: ClassVar[str] = "HunyuanVideoTransformer3DModel"
    vae: ClassVar[str] = "AutoencoderKLHunyuanVideo"
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    lora_targets: ClassVar[str] = "attn,ff,ff_context,proj_mlp"

    shift: float = 7.0
    guidance: float = 1.0
    """What it is told; in sampling by the pipeline 6."""

    def check(self, folder: PipelineFolder) -> None:
        """See that a folder holds such a pipeline.

        Raises:
            ValueError: it holds another one, such as that from a first frame.
        """
        Family.check(self, folder)
        if folder.config(self.part).get("image_condition_type"):
            raise ValueError(
                f"objective.model={folder.model} makes videos from a first frame: objective.family "
                "HunyuanVideoFromImage is for it, as in the recipe hunyuan_video_image_lora"
            )

    def grid(self, folder: PipelineFolder) -> TokenGrid:
        """4 x 8 x 8, and patches of 2 x 2."""
        return TokenGrid(
            temporal_stride=folder.setting("vae", "temporal_compression_ratio"),
            spatial_stride=folder.setting("vae", "spatial_compression_ratio"),
            patch=folder.setting("transformer", "patch_size"),
        )

    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """Both encoders, packed."""
        words, whole, mask = pipeline.encode_prompt(captions)
        return packed_words(words, whole, mask)

    def text_width(self, transformer: Any) -> int:
        """The wider one's, and the number of the encoder."""
        return 1 + max(int(transformer.config.text_embed_dim), int(transformer.config.pooled_projection_dim))

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity."""
        config = transformer.config
        words, mask = unpacked(asked.text, WORDS, width=config.text_embed_dim, length=asked.text[0].shape[1])
        whole, _ = unpacked(asked.text, WHOLE, width=config.pooled_projection_dim, length=1)
        answer: torch.Tensor = transformer(
            hidden_states=asked.latents,
            timestep=asked.told,
            encoder_hidden_states=words,
            encoder_attention_mask=mask,
            pooled_projections=whole[:, 0],
            guidance=1000 * torch.full_like(asked.told, self.guidance) if config.guidance_embeds else None,
            return_dict=False,
        )[0]
        return answer

    def blocks(self, transformer: Any) -> list[nn.Module]:
        """20 with two streams, 40 with one."""
        return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]


def packed_words(words_BLD: torch.Tensor, whole_BD: torch.Tensor, mask_BL: torch.Tensor) -> Text:
    """What the pipeline makes of captions, as one text."""
    return packed([(words_BLD, mask_BL.bool()), (whole_BD[:, None], mask_BL.new_ones(len(mask_BL), 1).bool())])
