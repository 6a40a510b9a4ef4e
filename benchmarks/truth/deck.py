"""Cards that are drawn in random order until all were, and then anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


class Deck(Generic[T]):
    """Every card comes up as often as any other, give or take one."""

    def __init__(self, cards: Sequence[T], rng: np.random.Generator) -> None:
        self._cards, self._rng = cards, rng
        self._left: list[T] = []

    def draw(self, suits: Callable[[T], bool] = lambda _: True) -> T | None:
        """The next card that suits; those before it stay. None if none of all does."""
        for _ in range(2):
            for number, card in enumerate(self._left):
                if suits(card):
                    return self._left.pop(number)
            self._left += [self._cards[place] for place in self._rng.permutation(len(self._cards))]
        return None
