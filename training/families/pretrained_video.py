"""A pretrained pipeline as a generator: a transformer, and the autoencoder and text encoders that it came with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn

from training.families.family import Asked, Family
from training.families.first_frames import Encoders, channels_of
from training.families.folder import PipelineFolder
from training.families.texts import PipelineTexts
from training.models.generator import VideoGenerator
from training.models.on_demand import LatentSource, OnDemand, TextSource
from training.models.pixels import as_model_input
from training.models.text import Text
from training.models.weights import settings_id

Frozen = TypeVar("Frozen", bound=nn.Module)


class PretrainedVideo(VideoGenerator):
    """Samples follow the velocity of `transformer`; what else the pipeline has is loaded where it is used first."""

    def __init__(self, family: Family, folder: PipelineFolder, transformer: nn.Module) -> None:
        self.family, self.folder, self.transformer = family, folder, transformer
        self.grid = family.grid(folder)
        self.shift = family.shift
        self.path = family.path(folder)
        self.range = family.range_of_levels(folder)
        """The levels that the transformer is for."""
        self._other: OnDemand[nn.Module] = OnDemand(self._load_other)
        self._channels = family.latent_channels(folder)
        self._encoders: OnDemand[Encoders] = OnDemand(lambda: self._used(family.load_encoders(folder)))
        self._sees = family.sees_first_frames(folder)
        self._image_tokens = family.image_tokens(folder)
        self._text: OnDemand[PipelineTexts] = OnDemand(lambda: self._used(family.load_texts(folder)))

    @property
    def used(self) -> dict[str, nn.Module]:
        """The autoencoder, with what looks at first frames, and the text encoders, as far as they were needed."""
        each = {"vae": self._encoders.loaded, "text": self._text.loaded}
        return {name: network for name, network in each.items() if network is not None}

    @property
    def latent_channels(self) -> int:
        """Of the autoencoder."""
        return self._channels

    @property
    def device(self) -> torch.device:
        """Where the transformer is."""
        return next(self.transformer.parameters()).device

    def answer(
        self, latents: torch.Tensor, told_B: torch.Tensor, text: Text, condition: torch.Tensor | None
    ) -> torch.Tensor:
        """The transformer's; in bfloat16 where some of its weights are."""
        return self._answer(self.transformer, latents, told_B, text, condition)

    def velocity(
        self, latents: torch.Tensor, timesteps_B: torch.Tensor, text: Text, condition: torch.Tensor | None
    ) -> torch.Tensor:
        """On the straight line, whatever path the model was trained on; towards what is told, where it is."""

        def answer(seen: torch.Tensor, told_B: torch.Tensor) -> torch.Tensor:
            return self._answer(transformer, seen, told_B, text, condition)

        transformer = self.transformer
        lowest, highest = self.range
        level = float(timesteps_B[0]) / 1000  # of all samples
        if self.family.other_part and not (lowest <= level and (level < highest or highest == 1)):
            transformer = self._other()
        levels_B = timesteps_B / 1000
        velocity = self.path.velocity(answer, latents, levels_B)
        if condition is None or not self.family.tells_in_place(transformer):
            return velocity
        to_first = (latents - condition[:, 1 : 1 + self._channels]) / levels_B.view(-1, 1, 1, 1, 1)
        learnt = self.family.learnt(latents, condition, transformer)
        return torch.where(learnt > 0, velocity, to_first.to(velocity.dtype))

    def encoded(self, captions: Sequence[str]) -> Text:
        """As the pipeline reads them."""
        with torch.no_grad():
            return self._text().encode(captions)

    def read(self, captions: Sequence[str], condition: torch.Tensor | None) -> Text:
        """As the pipeline reads them, some along with the first frame."""
        with torch.no_grad():
            return self._text().encode_beside(captions, condition)

    @property
    def takes_first_frames(self) -> bool:
        """Whether it can be told how a video begins, by latents or by pixels."""
        return self.family.tells_first_frames(self.folder)

    def condition(self, first_BC1HW: torch.Tensor, num_latents: int) -> torch.Tensor:
        """What tells the transformer the first frame of each video, by its latent.

        Raises:
            ValueError: it takes none, or sees it in pixels: `first_frame` tells it those.
        """
        self._require_first_frames()
        if self._sees:
            raise ValueError(f"{self.folder.model} sees a first frame in pixels, and was given latents")
        known_B = first_BC1HW.new_ones(len(first_BC1HW))
        return self.family.condition(first_BC1HW, first_BC1HW[:, :0], known_B, num_latents)

    @torch.no_grad()
    def first_frame(self, first_B31HW: torch.Tensor, num_latents: int) -> torch.Tensor:
        """What tells the transformer the first frame of each video.

        Raises:
            ValueError: it takes none.
        """
        self._require_first_frames()
        latents = self.latents_of(first_B31HW)
        size = (num_latents, *latents.shape[3:])
        seen = [_seen(self.family, self._encoders(), first, size) for first in first_B31HW.float().split(1)]
        return self.family.condition(latents, torch.cat(seen), latents.new_ones(len(latents)), num_latents)

    def latents_of(self, video: torch.Tensor) -> torch.Tensor:
        """Normed, without noise."""
        return self.shown(video)[0]

    def shown(self, samples: torch.Tensor, *, latent: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """Of pixels, or of what a cache holds of them: latents, and channels with what was `seen` of first frames."""
        both = samples.float() if latent else encoded(self.family, self._encoders(), samples)
        return both[:, : self._channels], both[:, self._channels :]

    def with_nothing_seen(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents with as many further channels as a cache has, of zeros."""
        if not self._sees:
            return latents
        size = latents.shape[2:]
        seen = [torch.zeros(1, *each) for each in self.family.seen_shapes(self.transformer, self._image_tokens, size)]
        return torch.cat([latents, channels_of(seen, size).expand(len(latents), -1, -1, -1, -1)], dim=1)

    def decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """Videos of normed latents, one at a time; gradients pass."""
        return torch.cat([self.family.decode(self._encoders().vae, each[None]) for each in latents])

    def lora_target(self) -> tuple[nn.Module, Sequence[Callable[[str], str]]]:
        """The transformer, whose layers are called as diffusers does, or as ComfyUI."""
        rename = self.family.comfyui_name
        return self.transformer, (str,) if rename is None else (str, rename)

    def _answer(
        self,
        transformer: nn.Module,
        latents: torch.Tensor,
        told_B: torch.Tensor,
        text: Text,
        condition: torch.Tensor | None,
    ) -> torch.Tensor:
        text = text[0].to(latents.dtype), text[1]
        with self._rounded():
            asked = Asked(
                latents=latents,
                told=told_B,
                text=text,
                condition=condition,
                grid=self.grid,
                image_tokens=self._image_tokens,
            )
            return self.family.answer(transformer, asked)

    def _require_first_frames(self) -> None:
        if not self.takes_first_frames:
            raise ValueError(f"{self.folder.model} makes videos of texts alone: it takes no first frame")

    def _load_other(self) -> nn.Module:
        dtype = torch.bfloat16 if self._is_rounded else torch.float32
        return self._used(self.folder.loaded(self.family.other_part, self.family.transformer, dtype))

    @property
    def _is_rounded(self) -> bool:
        return any(weight.dtype == torch.bfloat16 for weight in self.transformer.parameters())

    def _rounded(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self._is_rounded else nullcontext()

    def _used(self, network: Frozen) -> Frozen:
        at = torch.device("cpu") if self.device.type == "meta" else self.device
        return network.requires_grad_(False).eval().to(at)


@torch.no_grad()
def encoded(family: Family, encoders: Encoders, video: torch.Tensor) -> torch.Tensor:
    """Normed latents (B, C, T, h, w), float32, of videos as batches have them, one at a time; with further channels
    where the family sees first frames."""
    device = next(encoders.parameters()).device
    made = []
    for sample in video.split(1):
        pixels = sample.to(device)
        pixels = as_model_input(pixels) if pixels.dtype == torch.uint8 else pixels
        with torch.autocast(device.type, enabled=False):
            latents = family.encode(encoders.vae, pixels.float()).float()
        made.append(torch.cat([latents, _seen(family, encoders, pixels[:, :, :1], latents.shape[2:])], dim=1))
    return torch.cat(made)


def _seen(family: Family, encoders: Encoders, first_131HW: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Channels (1, E, T, h, w) with what is seen of a first frame, if anything is."""
    if not encoders.see_first_frames:
        return first_131HW.new_zeros(1, 0, *size, dtype=torch.float32)
    with torch.autocast(first_131HW.device.type, enabled=False):
        return channels_of(family.seen(encoders, first_131HW.float(), size[0]), size)


def latent_source(family: Family, folder: PipelineFolder) -> LatentSource:
    """The pipeline's autoencoder, whose latents can be cached, with what is seen of first frames."""

    def encode(encoders: Any, video: torch.Tensor) -> torch.Tensor:
        return encoded(family, encoders, video)

    load: Callable[[], nn.Module] = lambda: family.load_encoders(folder)  # noqa: E731 - with its type
    kind, parts = type(family).__name__, ["vae"]
    if family.sees_first_frames(folder):
        kind, parts = f"{kind} with first frames", ["vae", *family.image_parts]
    return LatentSource(identity=settings_id(kind, folder.identity(parts)), load=load, encoded=encode)


def text_source(family: Family, folder: PipelineFolder) -> TextSource:
    """The pipeline's text encoders, whose vectors can be cached."""
    return TextSource(
        identity=settings_id(family, folder.identity(family.text_parts)), load=lambda: family.load_texts(folder)
    )
