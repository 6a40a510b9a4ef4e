"""Diffusion in discrete steps (DDPM, arXiv 2006.11239), where a model predicts the noise or v (arXiv 2202.00512).

Data and noise lie on a quarter of a circle, z_t = a_t x + b_t eps, and not on a straight line. Divided by a_t + b_t it
is that line, at the level s_t = b_t / (a_t + b_t), so that whatever follows a velocity samples such a model as well: an
Euler step from one level to the next is a step of DDIM (arXiv 2010.02502) between the same two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from preprocess.io.bounds import check
from training.objectives.flow import TIMESTEPS, steps_left
from training.run.noise import SampleNoise


@dataclass(frozen=True, slots=True, kw_only=True)
class Diffusion:
    """What the transformer predicts. `velocity` is flow matching, for which all else here is of no matter."""

    predicts: Literal["velocity", "eps", "v"] = "velocity"
    """EasyAnimate's v1 to v3 predict eps, v4 and v5 predict v, v5.1 the velocity."""
    betas: Literal["linear", "scaled_linear"] = "linear"
    """How the noise of a step grows from the first to the last of 1000: itself in a line, or its root."""
    first_beta: float = 1e-4
    """Share of the variance that the first step takes from the data."""
    last_beta: float = 0.02
    """The same of the last."""
    zero_at_end: bool = False
    """Move the schedule so that nothing is left of the data at its end (arXiv 2305.08891); for v alone."""
    spacing: Literal["leading", "trailing"] = "leading"
    """Which steps sampling visits: every so many-th from 0 up, or from 999 down."""

    def __post_init__(self) -> None:
        check(self, "diffusion")
        if not 0 < self.first_beta <= self.last_beta < 1:
            raise ValueError(
                f"diffusion.first_beta and last_beta are {self.first_beta} and {self.last_beta}: 0 < first <= last < 1"
            )
        if self.zero_at_end and self.predicts == "eps":
            raise ValueError("diffusion.zero_at_end: where all is noise, eps says nothing of the data; predict v")

    def schedule(self) -> Schedule | None:
        """None for flow matching."""
        return None if self.predicts == "velocity" else Schedule(self)


class Schedule:
    """The steps of a `Diffusion`; times t are 0 to 999, levels those of the straight line."""

    def __init__(self, config: Diffusion) -> None:
        self.config = config
        if config.betas == "linear":
            betas = torch.linspace(config.first_beta, config.last_beta, TIMESTEPS, dtype=torch.float64)
        else:
            first, last = config.first_beta**0.5, config.last_beta**0.5
            betas = torch.linspace(first, last, TIMESTEPS, dtype=torch.float64).square()
        signal = (1 - betas).cumprod(0).sqrt()
        if config.zero_at_end:
            signal = (signal - signal[-1]) * signal[0] / (signal[0] - signal[-1])
        self.signal, self.noise = signal, (1 - signal.square()).sqrt()
        self.levels = self.noise / (self.signal + self.noise)

    def drawn(self, noise: SampleNoise) -> torch.Tensor:
        """Levels (B,) for training, those of all steps alike."""
        return self.levels.float()[noise.integers(0, TIMESTEPS).cpu()].to(noise.device)

    def visited(self, num_steps: int, strength: float = 1.0) -> torch.Tensor:
        """The levels (num_steps + 1,) of sampling, the last 0; the last ones of them where a video is begun with.

        Raises:
            ValueError: `num_steps` is not from 1 to 1000, or the strength none.
        """
        levels = torch.cat([self.levels[self._times(num_steps)], torch.zeros(1, dtype=torch.float64)]).float()
        return levels[num_steps - steps_left(num_steps, strength) :]

    def begun(self, noise: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        """Pure noise as what lies at the first of the levels, where there is a little data left."""
        signal, rest = self._of(noise, levels[:1])
        return noise / (signal + rest)

    def told(self, levels_B: torch.Tensor) -> torch.Tensor:
        """The times (B,) float32 of levels; between two steps, and beyond the ends, what lies between them."""
        levels = levels_B.double().cpu()
        after = torch.searchsorted(self.levels, levels).clamp(1, TIMESTEPS - 1)
        low, high = self.levels[after - 1], self.levels[after]
        times = (after - 1 + (levels - low) / (high - low)).clamp(0, TIMESTEPS - 1)
        # Levels are float32: so close to a step, it is that step.
        whole = times.round()
        return torch.where((times - whole).abs() < 0.01, whole, times).float().to(levels_B.device)

    def noised(self, clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """z_t as the model is trained on it, (B, C, T, H, W)."""
        signal, noise = self._of(clean, levels_B)
        return signal * clean + noise * eps

    def target(self, clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """What the model is to say: eps, or v = a eps - b x."""
        if self.config.predicts == "eps":
            return eps
        signal, noise = self._of(clean, levels_B)
        return signal * eps - noise * clean

    def velocity(
        self,
        predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        latents: torch.Tensor,
        levels_B: torch.Tensor,
    ) -> torch.Tensor:
        """eps - x at latents (B, C, T, H, W) of the straight line, from a model of z_t and t."""
        signal, noise = self._of(latents, levels_B)
        circle = latents * (signal + noise)
        said = predict(circle, self.told(levels_B)).to(latents.dtype)
        if self.config.predicts == "eps":
            return said - (circle - noise * said) / signal
        return (noise * circle + signal * said) - (signal * circle - noise * said)

    def _of(self, latents: torch.Tensor, levels_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        signal, noise = (part.to(latents).view(-1, *[1] * (latents.ndim - 1)) for part in self._parts(levels_B))
        return signal, noise

    def _parts(self, levels_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """a and b, each (B,) float64 on the CPU: exactly those of a step where it is one."""
        times = self.told(levels_B).double().cpu()
        first = times.floor().long().clamp_max(TIMESTEPS - 2)
        share = times - first
        level = self.levels[first] * (1 - share) + self.levels[first + 1] * share
        signal = (1 - level) / (level.square() + (1 - level).square()).sqrt()
        return signal, (1 - signal.square()).sqrt()

    def _times(self, num_steps: int) -> torch.Tensor:
        if not 1 <= num_steps <= TIMESTEPS:
            raise ValueError(f"num_steps is {num_steps}, must be from 1 to {TIMESTEPS}")
        if self.config.spacing == "leading":
            return torch.arange(num_steps).flip(0) * (TIMESTEPS // num_steps)
        return (TIMESTEPS - torch.arange(num_steps) * (TIMESTEPS / num_steps)).round().long() - 1
