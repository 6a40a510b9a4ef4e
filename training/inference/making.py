"""The videos that are made together, and what makes longer ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from training.film import Frames
from training.inference.given import Begun
from training.inference.long import Chunks, Windowed, lengths
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.models.step_cache import StepCache
from training.objectives.generate import GenerateConfig, generate
from training.run.config import Precision
from training.run.noise import SampleNoise
from training.run.runs import computing


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """By what ways videos are made, beside their steps."""

    chunks: Chunks | None = None
    """Of longer videos; None makes all frames at once."""
    cache: StepCache | None = None
    """Leaves out blocks in some steps."""
    keeps_known: bool = False
    """Whether known frames and places come out as the autoencoder keeps them; see `training.objectives.keeping`."""
    on_step: Callable[[int, int], None] | None = None
    """Is told before each step how many are done, and of how many; what it raises ends the sampling."""

    def told_after(self, done: int, total: int) -> Callable[[int], None] | None:
        """`on_step` of a part, before which so many steps were done."""
        on_step = self.on_step
        return None if on_step is None else lambda step: on_step(done + step, total)


def divided(generator: VideoGenerator, shape: Shape, how: How) -> tuple[VideoGenerator, list[int]]:
    """What makes a video of this shape, and how many frames it makes one after the other.

    Raises:
        ValueError: chunks are of no size that the model makes, or windows are to be cached.
    """
    if how.chunks is None or shape.frames <= how.chunks.frames:
        return generator, [shape.frames]
    if how.chunks.goes_on(generator):
        return generator, lengths(shape.frames, how.chunks, generator.grid)
    if how.cache is not None:
        raise ValueError("windows are asked for in turn within a step, of which no step can be cached")
    return Windowed(generator, shape, how.chunks), [shape.frames]


def made_together(
    generator: VideoGenerator,
    texts: Sequence[str],
    shape: Shape,
    config: GenerateConfig,
    noise: SampleNoise,
    begun: Begun,
    precision: Precision,
    how: How,
    on_step: Callable[[int], None] | None,
) -> Frames:
    """Films (B, F, H, W, 3) for as many texts and each sample's noise."""
    cache = how.cache
    latent = (generator.latent_channels, *generator.grid.latents(shape))
    with torch.no_grad(), nullcontext() if cache is None else generator.skipping(cache):
        condition, start = begun.condition(generator, shape, len(texts)), begun.start(generator, len(texts))
        if cache is not None:
            cache.begin(begun.steps(config.num_steps))
        with computing(precision, generator.device):
            latents = generate(
                generator,
                texts,
                noise.normal(*latent),
                config,
                condition=condition,
                start=start,
                strength=1.0 if start is None else begun.strength,
                kept=begun.known(shape) if how.keeps_known else None,
                on_step=on_step,
            )
        latents = latents[:, :, -generator.grid.latent_frames(shape.frames) :]  # those in front are filling
        return as_frames(generator.decoded(latents.float()))


def as_frames(video: torch.Tensor) -> Frames:
    """Videos (B, 3, F, H, W) in [-1, 1], which are overwritten, as 8-bit frames (B, F, H, W, 3)."""
    levels = video.clamp_(-1, 1).add_(1).mul_(127.5).round_().to(torch.uint8)
    frames: Frames = levels.permute(0, 2, 3, 4, 1).contiguous().cpu().numpy()
    return frames
