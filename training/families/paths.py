"""The ways from data to noise on which models are trained: what is mixed, what the model is told, what it answers.

`training.objectives.generate` follows a straight line, z_s = (1 - s) x + s eps, whose velocity is eps - x. A path says
what a model's answer is worth there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch

from training.objectives import flow

Answer = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A model: from what it sees (B, C, T, h, w) and is told (B,) to its answer, of the latents' shape."""


class Path(ABC):
    """Of levels (B,) in (0, 1], of latents (B, C, T, h, w) and of noise of their shape."""

    @abstractmethod
    def told(self, levels_B: torch.Tensor) -> torch.Tensor:
        """The timesteps (B,) of the levels."""

    @abstractmethod
    def noised(self, clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """What the model sees."""

    @abstractmethod
    def target(self, clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """What it should answer."""

    @abstractmethod
    def velocity(self, answer: Answer, latents: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """eps - x on the straight line, at latents of it."""


class StraightPath(Path):
    """Rectified flow: the model sees the line itself, is told 1000 s, and answers its velocity."""

    def told(self, levels_B: torch.Tensor) -> torch.Tensor:
        """1000 s."""
        return flow.timesteps(levels_B)

    def noised(self, clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """(1 - s) x + s eps."""
        return flow.noised(clean, eps, levels_B)

    def target(self, clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """The model's answer is the velocity."""
        return flow.target(clean, eps)

    def velocity(self, answer: Answer, latents: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """As it is answered."""
        return answer(latents, self.told(levels_B))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiffusionPath(Path):
    """z_t = a x + b eps with a^2 + b^2 = 1 at 1000 timesteps, and answers v = a eps - b x (arXiv 2202.00512).

    A level s is the timestep 1000 s - 1: uniform levels are uniform timesteps. On the straight line z_t is a point
    scaled by 1 / (a + b), at the level b / (a + b): there a step of Euler is one of DDIM.
    """

    alphas_cumprod: torch.Tensor
    """a^2 of each timestep (1000,), falling."""

    def told(self, levels_B: torch.Tensor) -> torch.Tensor:
        """Whole timesteps from 0 to 999."""
        last = len(self.alphas_cumprod) - 1
        return ((levels_B * (last + 1)).round().long() - 1).clamp(0, last)

    def noised(self, clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """a x + b eps."""
        a, b = self._mixture(self.told(levels_B), clean)
        return a * clean + b * eps

    def target(self, clean: torch.Tensor, eps: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """a eps - b x; the squared error of x, weighed by 1 / b^2, is that of v."""
        a, b = self._mixture(self.told(levels_B), clean)
        return a * eps - b * clean

    def velocity(self, answer: Answer, latents: torch.Tensor, levels_B: torch.Tensor) -> torch.Tensor:
        """At the timestep whose level on the line is the nearest."""
        a_T, b_T = self.alphas_cumprod.double().sqrt(), (1 - self.alphas_cumprod.double()).sqrt()
        on_line_T = (b_T / (a_T + b_T)).to(levels_B.device)
        told_B = (on_line_T[None] - levels_B.double()[:, None]).abs().argmin(1)
        a, b = self._mixture(told_B, latents)
        seen = latents * (a + b)
        v = answer(seen, told_B).to(latents.dtype)
        return (a * v + b * seen) - (a * seen - b * v)  # eps - x

    def _mixture(self, told_B: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kept_B = self.alphas_cumprod.to(told_B.device)[told_B].view(-1, *[1] * (like.ndim - 1))
        return kept_B.sqrt().to(like.dtype), (1 - kept_B).sqrt().to(like.dtype)
