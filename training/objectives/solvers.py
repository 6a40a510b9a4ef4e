"""Ways from noise to a video along a velocity: Euler's steps, which are ours, and diffusers' solvers of higher order.

The levels that are visited are the same for all. Solvers of higher order remember what the model said before, and so
need fewer steps; their formulas have the logarithm of (1 - s) / s in them, so that they begin just below pure noise.

Sources: DPM-Solver++ (arXiv 2211.01095) and UniPC (arXiv 2302.04867), by diffusers' `DPMSolverMultistepScheduler` and
`UniPCMultistepScheduler` with `use_flow_sigmas`. Its DEIS divides by zero where a path ends at level 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch

from training.objectives.flow import NO_STEPS, TIMESTEPS, Recorded, Velocity, euler, timesteps

Scheduler = Literal["euler", "dpm++", "unipc"]
"""By the names that users know."""

HIGHEST_LEVEL = 1 - 1 / TIMESTEPS
"""With which solvers of higher order begin, as diffusers' flow sigmas do: at 1 there is no data to reckon with."""

_CLASSES: Mapping[str, str] = {
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
}


def solve(
    scheduler: Scheduler,
    velocity: Velocity,
    noise: torch.Tensor,
    levels: torch.Tensor,
    *,
    recorded: Recorded = NO_STEPS,
    on_step: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Follow the velocity from `noise` (B, C, T, H, W), at `levels[0]`, to `levels[-1]`.

    Args:
        scheduler: which way.
        velocity: of the model.
        noise: where it begins.
        levels: (steps + 1,), falling.
        recorded: through which steps gradients pass; by Euler's steps alone.
        on_step: is called before each step with its number; what it raises ends the sampling.

    Raises:
        ValueError: gradients are asked for of another scheduler than Euler's, or diffusers is not there for it.
    """
    watched = velocity if on_step is None else _watched(velocity, on_step)
    if scheduler == "euler":
        return euler(watched, noise, levels, recorded=recorded)
    if recorded.steps:
        raise ValueError(f"scheduler {scheduler}: gradients pass through the steps of euler alone")
    return _multistep(_made(scheduler), watched, noise, levels)


def _watched(velocity: Velocity, on_step: Callable[[int], None]) -> Velocity:
    """All of these solvers ask for the velocity once a step."""
    step = 0

    def asked(latents: torch.Tensor, told_B: torch.Tensor) -> torch.Tensor:
        nonlocal step
        on_step(step)
        step += 1
        return velocity(latents, told_B)

    return asked


def _multistep(solver: Any, velocity: Velocity, noise: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    levels = levels.clamp_max(HIGHEST_LEVEL)
    solver.set_timesteps(len(levels) - 1)
    # Its own levels lie elsewhere; it reckons with these alone.
    solver.sigmas, solver.timesteps = levels.float(), timesteps(levels[:-1].float())
    solver.set_begin_index(0)
    latents = noise
    for level, told in zip(levels.tolist(), solver.timesteps, strict=False):
        each = timesteps(torch.full((len(latents),), level, device=latents.device))
        latents = solver.step(velocity(latents, each), told, latents, return_dict=False)[0]
    return latents


def _made(scheduler: Scheduler) -> Any:
    try:
        import diffusers
    except ImportError:
        raise ValueError(f"scheduler {scheduler} is diffusers': pip install -e '.[diffusers]', or take euler") from None
    return getattr(diffusers, _CLASSES[scheduler])(
        num_train_timesteps=TIMESTEPS, prediction_type="flow_prediction", use_flow_sigmas=True
    )
