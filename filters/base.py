"""The contract of a filter: measure one thing about a clip, and leave the deciding to `filters.rules`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from preprocess.frames import FrameView

Score = float | int | str | None
"""None means not measured; absence is never a number."""


class Scorer(ABC):
    """Measures a clip. Subclasses are frozen dataclasses whose fields are their parameters; they know no thresholds.

    A new filter is one file with one subclass, named in a recipe by import (`pipelines/recipes.py`).
    """

    name: ClassVar[str]
    """What `python -m pipelines filter NAME` and recipes call it; usually its main column."""
    columns: ClassVar[Mapping[str, type[float] | type[int] | type[str]]]
    """The manifest columns it fills, with their types."""
    costly: ClassVar[bool] = False
    """True for scorers that run a model: they see only the clips that the rules on cheap columns let through."""

    def setup(self) -> None:  # noqa: B027 - most scorers have nothing to load
        """Load what is needed, once in each worker process, before the first `score`."""

    @abstractmethod
    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Measure one clip: a value for each of `columns`. Called from one thread at a time."""

    def close(self) -> None:  # noqa: B027
        """Give back what `setup` took."""
