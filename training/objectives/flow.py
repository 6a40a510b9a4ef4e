"""Rectified flow: noise and data on a straight line, and the way back along it in Euler steps.

z_s = (1 - s) x + s eps for a noise level s in (0, 1]; the model learns the velocity eps - x, which is dz/ds. What it is
told of s is the timestep 1000 s, one of 1 to 1000, as EasyAnimate v5.1 (arXiv 2405.18991) and SD3 (arXiv 2403.03206).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from training.run.noise import SampleNoise

TIMESTEPS = 1000

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From latents (B, C, T, H, W) and timesteps (B,) to the velocity at them, of the latents' shape."""


def draw_levels(noise: SampleNoise, *, shift: float = 1.0) -> torch.Tensor:
    """Noise levels (B,) for training: uniform in the 1000 levels, then shifted."""
    return shifted(noise.integers(1, TIMESTEPS + 1).float() / TIMESTEPS, shift)


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


def sampling_levels(num_steps: int, *, shift: float = 1.0) -> torch.Tensor:
    """The levels (num_steps + 1,) that sampling visits, from 1 (noise) to 0 (data).

    Raises:
        ValueError: less than one step.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}, must be at least 1")
    return shifted(torch.linspace(1.0, 0.0, num_steps + 1), shift)


def euler(velocity: Velocity, noise: torch.Tensor, levels: torch.Tensor, *, graph_steps: int = 0) -> torch.Tensor:
    """Follow the velocity from `noise` (B, C, T, H, W), at `levels[0]`, to `levels[-1]`.

    Only the last `graph_steps` steps are recorded for gradients. The earlier ones run under `no_grad`, so that memory
    grows with the recorded steps and not with all (DRaFT-K, arXiv 2309.17400).
    """
    latents = noise
    num_steps = len(levels) - 1
    for step, (level, following) in enumerate(zip(levels.tolist(), levels[1:].tolist(), strict=False)):
        record = torch.is_grad_enabled() and step >= num_steps - graph_steps
        with torch.set_grad_enabled(record):
            told = timesteps(torch.full((len(latents),), level, device=latents.device))
            latents = latents + (following - level) * velocity(latents, told)
    return latents
