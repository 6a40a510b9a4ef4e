"""Sizes of samples and what they cost a transformer: tokens, from the strides of the VAE and of the patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What a sample is resampled to. An image is a video of one frame."""

    frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.frames, self.height, self.width) < 1:
            raise ValueError(f"shape {self.frames}x{self.height}x{self.width}: all must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrid:
    """How pixels become tokens. A causal VAE makes one latent frame of the first frame and of each further stride."""

    temporal_stride: int = 4
    spatial_stride: int = 8
    """Pixels of a latent, along each side."""
    patch: int = 2
    """Latents of a token, along each side."""

    def __post_init__(self) -> None:
        if min(self.temporal_stride, self.spatial_stride, self.patch) < 1:
            raise ValueError(f"{self}: strides and patch must be positive")

    @property
    def cell(self) -> int:
        """Pixels of a token, along each side."""
        return self.spatial_stride * self.patch

    def tokens(self, shape: Shape) -> int:
        """Tokens of one sample.

        Raises:
            ValueError: the strides do not divide the shape.
        """
        if (shape.frames - 1) % self.temporal_stride or shape.height % self.cell or shape.width % self.cell:
            raise ValueError(
                f"{shape}: frames must be {self.temporal_stride}n+1, height and width multiples of {self.cell}"
            )
        return self.latent_frames(shape.frames) * (shape.height // self.cell) * (shape.width // self.cell)

    def latents(self, shape: Shape) -> tuple[int, int, int]:
        """(T, h, w): latent frames of a sample, and their rows and columns.

        Raises:
            ValueError: the strides do not divide the shape.
        """
        self.tokens(shape)
        return (
            self.latent_frames(shape.frames),
            shape.height // self.spatial_stride,
            shape.width // self.spatial_stride,
        )

    def tokens_of(self, latents: Sequence[int]) -> int:
        """Tokens of a sample of (T, h, w) latents."""
        frames, height, width = latents
        return frames * (height // self.patch) * (width // self.patch)

    def latent_frames(self, frames: int) -> int:
        """Latent frames that `frames` fill; what is left over does not count."""
        return (frames - 1) // self.temporal_stride + 1

    def frames(self, latent_frames: int) -> int:
        """Frames that `latent_frames` stand for."""
        return (latent_frames - 1) * self.temporal_stride + 1
