"""HunyuanVideo from a first frame (HunyuanVideo-I2V). Llava reads a caption behind the picture of the frame, and what
it makes of the one depends on the other: captions are read while a run trains, and are in no cache.

The older weights, of 33 channels, see the frame's latent and a mask beside the noised latents, all of which are learnt;
the newer ones have the latent, clean, in place of the first noised one, which is no part of the loss.

Source: diffusers 0.42.1, `pipelines/hunyuan_video/pipeline_hunyuan_video_image2video.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from training.families.family import Asked, Family
from training.families.first_frames import Encoders, Levels, as_picture, taken_from
from training.families.folder import PipelineFolder
from training.families.hunyuan_video import HunyuanVideo, packed_words
from training.families.skeleton import skeleton
from training.models.text import Text

IN_PLACE = "token_replace"
"""What the transformer's `image_condition_type` says of the newer weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HunyuanVideoFromImage(HunyuanVideo):
    """Where no frame is told, Llava reads a black one, as the pipeline has it of what guidance leads away from."""

    pipeline: ClassVar[str] = "HunyuanVideoImageToVideoPipeline"
    text_parts: ClassVar[tuple[str, ...]] = (*HunyuanVideo.text_parts, "image_processor")
    image_parts: ClassVar[tuple[str, ...]] = ("image_processor",)

    def check(self, folder: PipelineFolder) -> None:
        """See that a folder holds such a pipeline.

        Raises:
            ValueError: it holds another one, such as that for texts.
        """
        Family.check(self, folder)
        if folder.setting(self.part, "image_condition_type") is None:
            raise ValueError(
                f"objective.model={folder.model} is for texts alone, by its transformer's image_condition_type: "
                "objective.family HunyuanVideo is for it"
            )

    def stand_ins(self, folder: PipelineFolder) -> dict[str, Any]:
        """The pipeline asks its transformer how many of the picture's vectors are kept."""
        return {"transformer": skeleton(self.transformer, folder.config("transformer"))}

    def sees_first_frames(self, folder: PipelineFolder) -> bool:
        """Always: Llava does."""
        return True

    def tells_in_place(self, transformer: Any) -> bool:
        """The newer weights."""
        return bool(transformer.config.image_condition_type == IN_PLACE)

    def needs_first_frames(self, folder: PipelineFolder) -> bool:
        """Where the transformer takes the first latent for a clean one, whatever it is."""
        return bool(folder.setting(self.part, "image_condition_type") == IN_PLACE)

    def reads_first_frames(self, folder: PipelineFolder) -> bool:
        """Along with captions."""
        return True

    def image_tokens(self, folder: PipelineFolder) -> int:
        """Pixels of the picture, as Llava's vision tower is given it: 336 x 336."""
        size = folder.config("image_processor", "preprocessor_config.json")["crop_size"]
        return int(size["height"] * size["width"])

    def load_encoders(self, folder: PipelineFolder) -> Encoders:
        """The autoencoder, and what prepares pictures."""
        return Encoders(self.load_vae(folder), Levels(folder.path / "image_processor"), see_first_frames=True)

    def seen(self, encoders: Encoders, first_B31HW: torch.Tensor, num_latents: int) -> list[torch.Tensor]:
        """The frame's own latent, since this autoencoder's first one knows of frames behind it; the picture's pixels,
        from 0, as where nothing is told, to 255."""
        assert encoders.eyes is not None
        return [self.encode(encoders.vae, first_B31HW), encoders.eyes(first_B31HW).flatten(2).transpose(1, 2)]

    def seen_shapes(self, transformer: Any, image_tokens: int, size: Sequence[int]) -> list[tuple[int, ...]]:
        """A latent and pixels."""
        return [(int(transformer.config.out_channels), 1, *size[1:]), (image_tokens, 3)]

    def condition(
        self, first_BC1HW: torch.Tensor, seen: torch.Tensor, known_B: torch.Tensor, num_latents: int
    ) -> torch.Tensor:
        """A mask and the latent, then all that was seen."""
        [latent] = taken_from(seen, first_BC1HW.shape[1:])
        told = Family.condition(self, latent, seen, known_B, num_latents)
        return torch.cat([told, seen * known_B.view(-1, 1, 1, 1, 1)], dim=1)

    def read_beside(self, pipeline: Any, captions: list[str], condition: torch.Tensor | None) -> Text:
        """Both encoders, packed; one sample at a time, since the pipeline finds the end of a long caption only so."""
        size = pipeline.image_processor.crop_size
        height, width = size["height"], size["width"]
        pictures_B3HW = torch.zeros(len(captions), 3, height, width)
        if condition is not None:
            channels = int(pipeline.transformer.config.out_channels)
            latent = (channels, 1, *condition.shape[3:])
            _, pixels = taken_from(condition[:, 1 + channels :], latent, (height * width, 3))
            pictures_B3HW = pixels.transpose(1, 2).unflatten(2, (height, width))
        read = [
            pipeline.encode_prompt(
                image=as_picture(levels.float().round().to(torch.uint8)),
                prompt=caption,
                image_embed_interleave=4 if self.tells_in_place(pipeline.transformer) else 2,
                device=pipeline.text_encoder.device,
            )
            for levels, caption in zip(pictures_B3HW, captions, strict=True)
        ]
        return packed_words(*(torch.cat(each) for each in zip(*read, strict=True)))

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity."""
        latents, channels = asked.latents, asked.latents.shape[1]
        condition = latents.new_zeros(len(latents), 1 + channels, *latents.shape[2:])
        if asked.condition is not None:
            condition = asked.condition[:, : 1 + channels].to(latents.dtype)
        mask, told = condition[:, :1], condition[:, 1:]
        if self.tells_in_place(transformer):
            latents = latents * (1 - mask) + told
        else:
            latents = torch.cat([latents, told, mask], dim=1)
        return HunyuanVideo.answer(self, transformer, replace(asked, latents=latents))
