"""What makes videos by following a velocity from noise: all that sampling asks of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import nn

from training.models.conditions import Part, Told
from training.models.grid import Shape, TokenGrid
from training.models.step_cache import StepCache
from training.models.text import Text


class NoiseSchedule(Protocol):
    """Which levels of noise sampling visits, where it is the model's own matter."""

    def visited(self, num_steps: int, strength: float = 1.0) -> torch.Tensor:
        """Levels (num_steps + 1,), the last 0; the last ones of these where a video is begun with."""
        ...

    def begun(self, noise: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        """Standard normal noise as what lies at the first of the levels."""
        ...


class VideoGenerator(ABC):
    """Latents (B, C, T, h, w) of about unit variance, whose velocity a text and maybe a first frame lead."""

    grid: TokenGrid
    """Which shapes it makes."""
    shift: float = 1.0
    """Of the noise levels that it was trained at; see `training.objectives.flow`."""
    base_tokens: int | None = None
    """For samples of how many tokens that is; None: of all sizes."""
    schedule: NoiseSchedule | None = None
    """Of a model that knows the levels of discrete steps; None: it knows all."""

    @property
    @abstractmethod
    def latent_channels(self) -> int:
        """C."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where its weights are."""

    @abstractmethod
    def velocity(
        self, latents: torch.Tensor, timesteps_B: torch.Tensor, text: Text, condition: torch.Tensor | None
    ) -> torch.Tensor:
        """Of the latents' shape; see `training.objectives.flow`."""

    @abstractmethod
    def encoded(self, captions: Sequence[str]) -> Text:
        """Texts as `velocity` takes them."""

    def read(self, captions: Sequence[str], condition: torch.Tensor | None) -> Text:
        """The same for models that read a caption along with what `condition`, `first_frame` or `told` tells of the
        sample; 0 of those of which nothing is told."""
        return self.encoded(captions)

    @abstractmethod
    def condition(self, first_BC1HW: torch.Tensor, num_latents: int) -> torch.Tensor:
        """What tells `velocity` the first frame of each video.

        Raises:
            ValueError: it takes no first frame.
        """

    def first_frame(self, first_B31HW: torch.Tensor, num_latents: int) -> torch.Tensor:
        """The same of first frames (B, 3, 1, H, W) in [-1, 1], for models that see more of them than latents.

        Raises:
            ValueError: it takes no first frame.
        """
        return self.condition(self.latents_of(first_B31HW), num_latents)

    @property
    @abstractmethod
    def takes_first_frames(self) -> bool:
        """Whether it can be told how a video begins."""

    @property
    def told_parts(self) -> Sequence[Part]:
        """What `told` takes."""
        return ()

    def told(self, told: Told, shape: Shape) -> torch.Tensor:
        """What tells `velocity` all that is told of videos of a shape.

        Raises:
            ValueError: it takes no such thing, or it is not of the shape's size.
        """
        raise ValueError("this model is told a text, and maybe a first frame, and nothing else")

    @abstractmethod
    def latents_of(self, video: torch.Tensor) -> torch.Tensor:
        """Latents of videos (B, 3, F, H, W) in [-1, 1], without noise."""

    @abstractmethod
    def decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """Videos (B, 3, F, H, W) of latents; gradients pass."""

    def lora_target(self) -> tuple[nn.Module, Sequence[Callable[[str], str]]]:
        """The network whose layers a LoRA file changes, and what other programs call them.

        Raises:
            ValueError: there is none.
        """
        raise ValueError("this model takes no LoRA from a file")

    @contextmanager
    def skipping(self, cache: StepCache) -> Iterator[None]:
        """Meanwhile, blocks are left out where the cache says so.

        Raises:
            ValueError: its blocks cannot be.
        """
        raise ValueError("this model's steps cannot be cached: --cache-steps is for transformers of our own")
        yield

    @contextmanager
    def borrowing(self) -> Iterator[None]:
        """For samples in between: what had to be loaded meanwhile is let go of at the end."""
        yield
