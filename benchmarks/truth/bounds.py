"""What a figure of a table is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Bound:
    """The least or the most that a figure may be."""

    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        if (self.least is None) == (self.most is None):
            raise ValueError(f"bound of {self.least} to {self.most}: exactly one of both is needed")

    def holds(self, value: float) -> bool:
        """Whether a figure is within it."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def says(self, value: float) -> str:
        """`at most 0.3: held`."""
        wanted = f"at most {self.most:g}" if self.least is None else f"at least {self.least:g}"
        return f"{wanted}: {'held' if self.holds(value) else 'NOT HELD'}"


Bounds = Mapping[str, Bound]
"""By name of a figure, where `*` stands for anything; the first one that fits counts."""


def bound_of(bounds: Bounds, figure: str) -> Bound | None:
    """None for a figure that is held to nothing."""
    return next((bound for pattern, bound in bounds.items() if fnmatchcase(figure, pattern)), None)
