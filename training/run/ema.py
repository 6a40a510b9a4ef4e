"""A moving average of a network's weights in float32, sharded as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Ema:
    """The average of what is trained in a network; other weights and buffers are the network's own."""

    def __init__(self, weights: Mapping[str, torch.nn.Parameter], decay: float) -> None:
        self._decay = decay
        self._weights = weights
        self.is_of_worth = False
        """Whether it began with weights that were trained, and so is not to be forgotten."""
        self.average: dict[str, torch.Tensor] = {
            name: weight.detach().clone().float() for name, weight in weights.items()
        }
        """By the weight's name; a DTensor where the weight is one."""

    def update(self, step: int) -> None:
        """Move towards the weights after `step` (from 0); fast at first, where the start is worth little."""
        share = 1 - (self._decay if self.is_of_worth else min(self._decay, (1 + step) / (10 + step)))
        for name, average in self.average.items():
            average.lerp_(self._weights[name].detach().float(), share)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network with averaged weights, for as long as the context lasts."""
        exact = {name: each.clone() for name, each in self.average.items() if each.dtype != self._weights[name].dtype}
        self._swap()
        try:
            yield
        finally:
            self._swap()
            for name, average in exact.items():  # what the network had was rounded
                self.average[name].copy_(average)

    def _swap(self) -> None:
        for name, average in self.average.items():
            weight = self._weights[name].detach()
            held = weight.clone()
            weight.copy_(average)
            average.copy_(held)
