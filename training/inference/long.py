"""Videos that are longer than a model makes at once, in chunks.

Where the model takes a first frame, each next chunk begins with the last one of the chunk before, or with several where
it was trained with masks (`objective.masks`). A model of text alone
makes all chunks at once, in windows that overlap: in each step the velocities of what lies in several windows are
averaged, with less weight towards a window's ends (MultiDiffusion, arXiv 2302.08113, in time).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from training.models.conditions import Part, Told
from training.models.generator import VideoGenerator
from training.models.grid import Shape, TokenGrid
from training.models.text import Text
from training.objectives.flow import shift_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """How a long video is divided."""

    frames: int
    """That are made at once."""
    overlap: int = 0
    """Of neighbouring windows, in frames; 0 is half of one. Of chunks that go on, how many frames of the one before
    begin the next; 0 is one."""
    by: Literal["auto", "first_frame", "windows"] = "auto"
    """`auto` goes on from first frames where the model takes them, and has windows where not."""

    @property
    def shared(self) -> int:
        """Frames of two chunks of which one goes on."""
        return max(1, self.overlap)

    def goes_on(self, generator: VideoGenerator) -> bool:
        """Whether chunks begin with the last frame of the one before."""
        return self.by == "first_frame" or (self.by == "auto" and generator.takes_first_frames)


def lengths(frames: int, chunks: Chunks, grid: TokenGrid) -> list[int]:
    """The frames of each chunk, with those that it shares with the one before; together at least `frames`.

    Raises:
        ValueError: a chunk is of no size that the model makes, or has no frames of its own.
    """
    stride = grid.temporal_stride
    if (chunks.frames - 1) % stride or not chunks.shared < chunks.frames:
        raise ValueError(
            f"chunk is {chunks.frames} frames, must be {stride}n+1, and more than the {chunks.shared} that two share"
        )
    made, there = [chunks.frames], chunks.frames
    while there < frames:
        wanted = chunks.shared + frames - there
        made.append(min(chunks.frames, 1 + -(-(wanted - 1) // stride) * stride))
        there += made[-1] - chunks.shared
    return made


class Windowed(VideoGenerator):
    """A generator whose velocity is that of windows of the video, averaged where they overlap."""

    def __init__(self, inner: VideoGenerator, shape: Shape, chunks: Chunks) -> None:
        """For a video of this shape.

        Raises:
            ValueError: a window is of no size that the model makes, or they overlap by no latent or wholly.
        """
        for name in VideoGenerator.__annotations__:
            setattr(self, name, getattr(inner, name))
        self._inner = inner
        window = Shape(chunks.frames, shape.height, shape.width)
        # The levels are those of what the model sees at once, not of the whole.
        self.shift, self.base_tokens = shift_for(inner.shift, inner.grid.tokens(window), inner.base_tokens), None
        self._window = inner.grid.latent_frames(chunks.frames)
        stride = inner.grid.temporal_stride
        self._overlap = max(1, round(chunks.overlap / stride)) if chunks.overlap else self._window // 2
        if not 0 < self._overlap < self._window:
            raise ValueError(
                f"overlap is {chunks.overlap} frames, must be from {stride} to less than a chunk, {chunks.frames}"
            )

    def velocity(
        self, latents: torch.Tensor, timesteps_B: torch.Tensor, text: Text, condition: torch.Tensor | None
    ) -> torch.Tensor:
        """Of each window, weighted by the distance to its nearer end."""
        total, weights = torch.zeros_like(latents, dtype=torch.float32), torch.zeros(latents.shape[2])
        slope = (torch.arange(self._window) + 1.0).clamp_max(float(self._overlap))
        weight = torch.minimum(slope, slope.flip(0))
        for start in self.starts(latents.shape[2]):
            span = slice(start, start + self._window)
            told = None if condition is None else condition[:, :, span]
            answer = self._inner.velocity(latents[:, :, span], timesteps_B, text, told)
            total[:, :, span] += answer.float() * weight.to(latents.device).view(1, 1, -1, 1, 1)
            weights[span] += weight
        return total / weights.to(latents.device).view(1, 1, -1, 1, 1)

    def starts(self, num_latents: int) -> list[int]:
        """Of the windows, the last of which ends with the video."""
        last = num_latents - self._window
        return [*range(0, last, self._window - self._overlap), last]

    @property
    def latent_channels(self) -> int:
        """As those of the generator."""
        return self._inner.latent_channels

    @property
    def device(self) -> torch.device:
        """Where that is."""
        return self._inner.device

    def encoded(self, captions: Sequence[str]) -> Text:
        """As it has them."""
        return self._inner.encoded(captions)

    def read(self, captions: Sequence[str], condition: torch.Tensor | None) -> Text:
        """As it does."""
        return self._inner.read(captions, condition)

    def condition(self, first_BC1HW: torch.Tensor, num_latents: int) -> torch.Tensor:
        """Of the whole video."""
        return self._inner.condition(first_BC1HW, num_latents)

    @property
    def told_parts(self) -> Sequence[Part]:
        """As it does."""
        return self._inner.told_parts

    def told(self, told: Told, shape: Shape) -> torch.Tensor:
        """Of the whole video."""
        return self._inner.told(told, shape)

    @property
    def takes_first_frames(self) -> bool:
        """As it does."""
        return self._inner.takes_first_frames

    def latents_of(self, video: torch.Tensor) -> torch.Tensor:
        """As it has them."""
        return self._inner.latents_of(video)

    def decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """The whole video."""
        return self._inner.decoded(latents)
