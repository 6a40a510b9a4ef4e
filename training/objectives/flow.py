"""Rectified flow: noise and data on a straight line, and the way back along it in Euler steps.

z_s = (1 - s) x + s eps for a noise level s in (0, 1]; the model learns the velocity eps - x, which is dz/ds. What it is
told of s is the timestep 1000 s, one of 1 to 1000, as EasyAnimate v5.1 (arXiv 2405.18991) and SD3 (arXiv 2403.03206).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch

from preprocess.io.bounds import above, at_least, check
from training.run.noise import SampleNoise

TIMESTEPS = 1000
LEVEL_BINS = 10
"""Ranges of noise levels for which the loss is told apart."""

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From latents (B, C, T, H, W) and timesteps (B,) to the velocity at them, of the latents' shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Which noise levels are trained on, before they are shifted."""

    kind: Literal["uniform", "logit_normal"] = "uniform"
    """All alike, or those in the middle more often: the sigmoid of a normal number (SD3, arXiv 2403.03206, 3.1)."""
    mean: float = 0.0
    """Of that normal number; above 0 there is more noise."""
    deviation: float = field(default=1.0, metadata=above(0))
    """Of the same."""
    base_tokens: int | None = field(default=None, metadata=at_least(1))
    """For how many tokens of a sample the shift is meant: others have it times sqrt(tokens / base_tokens), as noise
    hides less or more of them (SD3, equation 23). None: all have the same."""
    min_timestep: int = field(default=1, metadata=at_least(1))
    """The least that is trained on, after the shift."""
    max_timestep: int = field(default=TIMESTEPS, metadata=at_least(1))
    """The largest."""

    def __post_init__(self) -> None:
        check(self, "levels")
        if not self.min_timestep < self.max_timestep <= TIMESTEPS:
            raise ValueError(
                f"levels.min_timestep and max_timestep are {self.min_timestep} and {self.max_timestep}: an empty range "
                f"of 1 to {TIMESTEPS}"
            )


EVERY_LEVEL = Levels()


def draw_levels(noise: SampleNoise, levels: Levels = EVERY_LEVEL, *, shift: float = 1.0) -> torch.Tensor:
    """Noise levels (B,) for training, in (0, 1], drawn and then shifted.

    Of all, uniform ones are the 1000; others lie anywhere in their range.
    """
    if levels.kind == "uniform" and (levels.min_timestep, levels.max_timestep) == (1, TIMESTEPS):
        return shifted(noise.integers(1, TIMESTEPS + 1).float() / TIMESTEPS, shift)
    ends = torch.tensor([levels.min_timestep, levels.max_timestep], dtype=torch.float64) / TIMESTEPS
    # as many of a hundred in the range as there would be: the share below each end, and back
    low, high = _share_below(shifted(ends, 1 / shift).clamp_max(1), levels).tolist()
    low = 0.0 if levels.min_timestep == 1 else low
    shares = low + noise.uniform().double() * (high - low)
    return shifted(_level_of(shares, levels), shift).clamp(*ends.tolist()).float()


def shift_for(shift: float, tokens: int, base_tokens: int | None) -> float:
    """That of samples of so many tokens; see `Levels.base_tokens`."""
    return shift if base_tokens is None else shift * math.sqrt(tokens / base_tokens)


def _share_below(levels: torch.Tensor, how: Levels) -> torch.Tensor:
    """Of what would be drawn without bounds."""
    return levels if how.kind == "uniform" else torch.special.ndtr((torch.logit(levels) - how.mean) / how.deviation)


def _level_of(shares: torch.Tensor, how: Levels) -> torch.Tensor:
    return shares if how.kind == "uniform" else torch.sigmoid(how.mean + how.deviation * torch.special.ndtri(shares))


def shifted(levels: torch.Tensor, shift: float) -> torch.Tensor:
    """Levels moved towards noise: shift * s / (1 + (shift - 1) s), SD3's equation 23. 1 leaves them as they are.

    A larger picture needs more noise to be destroyed as far, so larger models take 3 and more.
    """
    return shift * levels / (1 + (shift - 1) * levels)


def check_shift(shift: float) -> None:
    """See that it leaves levels in order, from 0 to 1.

    Raises:
        ValueError: it is not positive.
    """
    if not 0 < shift < math.inf:
        raise ValueError(f"shift is {shift}, must be positive")


def timesteps(levels_B: torch.Tensor) -> torch.Tensor:
    """What the model is told: 1000 s."""
    return levels_B * TIMESTEPS


def noised(clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
    """z_s for each sample's level; `clean` and `eps` are (B, C, T, H, W)."""
    levels = levels_B.view(-1, *[1] * (clean.ndim - 1))
    return (1 - levels) * clean + levels * eps


def target(clean: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """The velocity that the model is to learn; it does not depend on the level."""
    return eps - clean


def sampling_levels(num_steps: int, *, shift: float = 1.0, strength: float = 1.0) -> torch.Tensor:
    """The levels that sampling visits, from 1 (noise) to 0 (data): num_steps + 1 of them.

    With a `strength` below 1 it begins at that level (before the shift), with that share of the steps, rounded up: the
    schedule's last ones, where they come out even. With 0 there is the level 0 alone, and no step.

    Raises:
        ValueError: less than one step, or a strength that is none.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}, must be at least 1")
    return shifted(torch.linspace(strength, 0.0, steps_left(num_steps, strength) + 1), shift)


def steps_left(num_steps: int, strength: float) -> int:
    """How many of the steps are made where that share of a video is noise, rounded up.

    Raises:
        ValueError: the strength is none.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}, must be in [0, 1]")
    return math.ceil(num_steps * strength - 1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Steps of sampling, by their number from 0, whose velocity is recorded for gradients."""

    steps: frozenset[int]
    through_latents: bool = True
    """Whether gradients pass from a step's velocity to the steps before it; else by the sum of steps alone, which
    keeps the chain short (DRTune, arXiv 2405.00760)."""


NO_STEPS = Recorded(steps=frozenset())


def euler(
    velocity: Velocity, noise: torch.Tensor, levels: torch.Tensor, *, recorded: Recorded = NO_STEPS
) -> torch.Tensor:
    """Follow the velocity from `noise` (B, C, T, H, W), at `levels[0]`, to `levels[-1]`.

    Steps that are not recorded run under `no_grad`, so that memory grows with the recorded steps and not with all
    (DRaFT-K, arXiv 2309.17400).
    """
    latents = noise
    for step, (level, following) in enumerate(zip(levels.tolist(), levels[1:].tolist(), strict=False)):
        told = timesteps(torch.full((len(latents),), level, device=latents.device))
        with torch.set_grad_enabled(torch.is_grad_enabled() and step in recorded.steps):
            change = velocity(latents if recorded.through_latents else latents.detach(), told)
        latents = latents + (following - level) * change
    return latents


def loss_by_level(means_B: torch.Tensor, levels_B: torch.Tensor) -> dict[str, tuple[float, float]]:
    """Sums and counts of samples' losses, by ranges of their noise levels: `loss/t_0` to `loss/t_9`."""
    bins = ((levels_B * LEVEL_BINS).ceil().long() - 1).clamp(0, LEVEL_BINS - 1)
    return {
        f"loss/t_{number}": (float(means_B[bins == number].sum()), float((bins == number).sum()))
        for number in bins.unique().tolist()
    }
