"""From captions to videos: noise, steps with guidance, and the autoencoder's way back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from preprocess.io.bounds import at_least, check
from training.models.conditions import Told
from training.models.generator import VideoGenerator
from training.objectives.flow import NO_STEPS, Recorded, check_shift, noised, sampling_levels, shift_for
from training.objectives.keeping import keeping
from training.objectives.solvers import Scheduler, solve


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateConfig:
    """How videos are sampled. EasyAnimate v5.1 takes 50 steps, guidance 6 and a shift of 2.7."""

    num_steps: int = field(default=20, metadata=at_least(1))
    """Of sampling, from noise to a video."""
    guidance: float = 4.0
    """How many times as far the velocity goes from that without text as the text alone leads it; 1 is no guidance."""
    shift: float | None = None
    """Of the noise levels; see `flow.shifted`. None: the one that the model was trained with."""
    negative: str = ""
    """What guidance leads away from; "" is no text."""
    scheduler: Scheduler = "euler"
    """Which way the velocity is followed; see `solvers`."""

    def __post_init__(self) -> None:
        check(self)
        if not math.isfinite(self.guidance):
            raise ValueError(f"guidance is {self.guidance}, must be a number")
        if self.shift is not None:
            check_shift(self.shift)


def generate(
    generator: VideoGenerator,
    captions: Sequence[str],
    noise_BCTHW: torch.Tensor,
    config: GenerateConfig,
    *,
    first_frames: torch.Tensor | None = None,
    condition: torch.Tensor | None = None,
    start: torch.Tensor | None = None,
    strength: float = 1.0,
    kept: Told | None = None,
    recorded: Recorded = NO_STEPS,
    on_step: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Latents (B, C, T, h, w) of about unit variance, from noise of that shape; `generator.decoded` makes them videos.

    Args:
        generator: the model.
        captions: one for each sample.
        noise_BCTHW: standard normal.
        config: steps and guidance.
        first_frames: latents (B, C, 1, h, w) of the frames to begin with, as `generator.latents_of` gives them.
        condition: what else the model is told, in place of first frames; see `training.objectives.tasks`.
        start: latents (B, C, T, h, w) of videos to begin with, in place of noise alone (SDEdit, arXiv 2108.01073).
        strength: how much of them is noise, as a level before the shift: 1 is noise alone, 0 gives `start` back.
        kept: of whose video the known part comes out as it is, beside telling the model of it; see `keeping`.
        recorded: through which steps gradients will pass.
        on_step: is called before each step with its number; what it raises ends the sampling.

    Raises:
        ValueError: a strength without a start or out of [0, 1], a start of another shape, nothing known of what is
            kept, or gradients through such steps.
    """
    if start is None and strength != 1.0:
        raise ValueError(f"strength is {strength}, and there is no video to start from")
    if start is not None and start.shape != noise_BCTHW.shape:
        raise ValueError(f"the start is {tuple(start.shape)}, must be {tuple(noise_BCTHW.shape)} as the noise")
    if kept is not None and recorded.steps:
        raise ValueError("what is kept is put into a video that is encoded anew: no gradient passes")
    if first_frames is not None:
        condition = generator.condition(first_frames, noise_BCTHW.shape[2])
    guided = config.guidance != 1.0

    def velocity(latents: torch.Tensor, told_B: torch.Tensor) -> torch.Tensor:
        if not guided:
            return generator.velocity(latents, told_B, encoded, condition)
        # Both in one batch: half as many calls.
        twice = None if condition is None else condition.repeat(2, 1, 1, 1, 1)
        both = generator.velocity(latents.repeat(2, 1, 1, 1, 1), told_B.repeat(2), encoded, twice).float()
        with_text, without_text = both.chunk(2)
        return without_text + config.guidance * (with_text - without_text)

    tokens = generator.grid.tokens_of(noise_BCTHW.shape[2:])
    own_shift = shift_for(generator.shift, tokens, generator.base_tokens)
    if generator.schedule is None:
        shift = own_shift if config.shift is None else config.shift
        begun, levels = noise_BCTHW, sampling_levels(config.num_steps, shift=shift, strength=strength)
    else:
        levels = generator.schedule.visited(config.num_steps, strength)
        begun = generator.schedule.begun(noise_BCTHW, levels)
    if start is not None:
        begun = noised(start, noise_BCTHW, levels[:1].to(start.device).expand(len(start)))
    with torch.set_grad_enabled(torch.is_grad_enabled() and bool(recorded.steps)):
        if guided:  # what is led away from knows of no picture
            beside = None if condition is None else torch.cat([condition, torch.zeros_like(condition)])
            encoded = generator.read([*captions, *[config.negative] * len(captions)], beside)
        else:
            encoded = generator.read(captions, condition)
    followed = velocity if kept is None else keeping(generator, velocity, kept)
    return solve(config.scheduler, followed, begun, levels, recorded=recorded, on_step=on_step)
