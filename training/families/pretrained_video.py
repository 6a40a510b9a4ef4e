"""A pretrained pipeline as a generator: a transformer, and the autoencoder and text encoders that it came with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn

from training.families.family import Asked, Family
from training.families.folder import PipelineFolder
from training.families.texts import PipelineTexts
from training.models.generator import VideoGenerator
from training.models.on_demand import LatentSource, OnDemand, TextSource
from training.models.pixels import as_model_input
from training.models.text import Text
from training.models.weights import settings_id
from training.objectives.text_to_video import first_frame_condition

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
        self._vae: OnDemand[nn.Module] = OnDemand(lambda: self._used(family.load_vae(folder)))
        self._text: OnDemand[PipelineTexts] = OnDemand(lambda: self._used(family.load_texts(folder)))

    @property
    def used(self) -> dict[str, nn.Module]:
        """The autoencoder and the text encoders, as far as they were needed."""
        each = {"vae": self._vae.loaded, "text": self._text.loaded}
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
        if condition is None:
            return velocity
        to_first = (latents - condition[:, 1:]) / levels_B.view(-1, 1, 1, 1, 1)
        return torch.where(self.family.learnt(latents, condition) > 0, velocity, to_first.to(velocity.dtype))

    def encoded(self, captions: Sequence[str]) -> Text:
        """As the pipeline reads them."""
        with torch.no_grad():
            return self._text().encode(captions)

    def condition(self, first_BC1HW: torch.Tensor, num_latents: int) -> torch.Tensor:
        """What tells the transformer the first frame of each video.

        Raises:
            ValueError: it takes none.
        """
        if not self.family.tells_first_frames:
            raise ValueError(f"{self.folder.model} makes videos of texts alone: it takes no first frame")
        return first_frame_condition(first_BC1HW, num_latents, first_BC1HW.new_ones(len(first_BC1HW)))

    def latents_of(self, video: torch.Tensor) -> torch.Tensor:
        """Normed, without noise."""
        return encoded(self.family, self._vae(), video)

    def decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """Videos of normed latents, one at a time; gradients pass."""
        return torch.cat([self.family.decode(self._vae(), each[None]) for each in latents])

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
            asked = Asked(latents=latents, told=told_B, text=text, condition=condition, grid=self.grid)
            return self.family.answer(transformer, asked)

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
def encoded(family: Family, vae: nn.Module, video: torch.Tensor) -> torch.Tensor:
    """Normed latents (B, C, T, h, w), float32, of videos as batches have them, one at a time."""
    device = next(vae.parameters()).device
    made = []
    for sample in video.split(1):
        pixels = sample.to(device)
        pixels = as_model_input(pixels) if pixels.dtype == torch.uint8 else pixels
        with torch.autocast(device.type, enabled=False):
            made.append(family.encode(vae, pixels.float()).float())
    return torch.cat(made)


def latent_source(family: Family, folder: PipelineFolder) -> LatentSource:
    """The pipeline's autoencoder, whose latents can be cached."""

    def encode(vae: Any, video: torch.Tensor) -> torch.Tensor:
        return encoded(family, vae, video)

    load: Callable[[], nn.Module] = lambda: family.load_vae(folder)  # noqa: E731 - with its type
    kind = type(family).__name__
    return LatentSource(identity=settings_id(kind, folder.identity(["vae"])), load=load, encoded=encode)


def text_source(family: Family, folder: PipelineFolder) -> TextSource:
    """The pipeline's text encoders, whose vectors can be cached."""
    return TextSource(
        identity=settings_id(family, folder.identity(family.text_parts)), load=lambda: family.load_texts(folder)
    )
