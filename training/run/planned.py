"""What `python -m training plan` asks an objective for: its module and a batch, of which shapes alone matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from training.models.generator import VideoGenerator
from training.models.grid import Shape, TokenGrid
from training.run.module import Batch, TrainModule

TEXT_TOKENS = 256
"""Of a cached text: the longest that the large encoders give unless they are told otherwise."""
CAPTION = "a caption of some words, as long as those of short clips often are"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A module whose networks may be on the meta device, and how its batches look."""

    module: TrainModule
    grid: TokenGrid
    batch: Callable[[Shape, int], Batch]
    """Of so many samples of a shape; its values are not looked at."""
    heads: int = 1
    """Among so many ranks, or a divisor of it, a sample can be divided; see `TrainerConfig.sequence_ranks`."""
    assumed: str
    """What is taken for granted of batches, in a few words."""


def of_pixels(module: TrainModule, grid: TokenGrid) -> Planned:
    """For what is trained on videos themselves."""

    def batch(shape: Shape, count: int) -> Batch:
        video = torch.zeros(count, 3, shape.frames, shape.height, shape.width)
        return _batch(video, grid.tokens(shape))

    return Planned(module=module, grid=grid, batch=batch, assumed="videos, on the device as float32")


def from_caches(module: TrainModule, generator: VideoGenerator, *, text_dim: int | None, heads: int) -> Planned:
    """For what is trained on latents. `text_dim` is the width of texts' vectors; None: of captions, encoded along."""
    grid = generator.grid

    def batch(shape: Shape, count: int) -> Batch:
        latents = torch.zeros(count, generator.latent_channels, *grid.latents(shape))
        return _batch(latents, grid.tokens(shape), latent=True, text_dim=text_dim)

    what = "captions" if text_dim is None else f"texts of {TEXT_TOKENS} tokens"
    return Planned(module=module, grid=grid, batch=batch, heads=heads, assumed=f"latents and {what}, both from caches")


def _batch(video: torch.Tensor, tokens: int, *, latent: bool = False, text_dim: int | None = None) -> Batch:
    count, text, empty = len(video), None, None
    if text_dim is not None:
        text, empty = (
            (torch.zeros(number, TEXT_TOKENS, text_dim), torch.ones(number, TEXT_TOKENS, dtype=torch.bool))
            for number in (count, 1)
        )
    return Batch(
        video=video,
        captions=[CAPTION] * count,
        clip_ids=[str(number) for number in range(count)],
        tokens=tokens,
        latent=latent,
        text=text,
        no_text=empty,
    )
