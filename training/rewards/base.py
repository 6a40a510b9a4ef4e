"""The contract of what judges videos, and what its judges share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn


class Reward(ABC):
    """A figure for each video and caption, higher for better ones. Without a model, or with one loaded when made."""

    name: ClassVar[str]
    module: nn.Module | None = None
    """The frozen network that it judges by."""

    @abstractmethod
    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """(B,) for videos (B, 3, F, H, W) in [-1, 1], differentiable; 0 where the caption asks for nothing it knows."""


def in_range(video: torch.Tensor) -> torch.Tensor:
    """Float32 pixels, clamped to what they can hold; gradients pass as if they were not, or none would lead back."""
    pixels = video.float()
    return pixels + (pixels.clamp(-1, 1) - pixels).detach()
