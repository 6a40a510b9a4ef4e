"""The contract of a filter: measure one thing about a clip, and leave the deciding to `filters.rules`.

There are three kinds. A `Scorer` looks at one clip's frames, on the CPU that decoded them. A `BatchScorer` runs a model
over a few frames of many clips. An `EmbeddingScorer` looks at what an image tower (`filters.towers.tower`) made of the
frames: all that name the same tower share its one forward pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from preprocess.frames import FrameView

Vector = list[float]
"""Type of a column that holds a vector, stored as float16."""
Score = float | int | str | Vector | None
"""None means not measured; absence is never a number."""
ColumnType = type[float] | type[int] | type[str] | type[list]  # type: ignore[type-arg]


class Measurement(ABC):
    """What all kinds have in common. Subclasses are frozen dataclasses whose fields are their parameters; they know no
    thresholds.

    A new filter is one file with one subclass, named in a recipe by import (`pipelines/recipe/recipes.py`).
    """

    name: ClassVar[str]
    """What `python -m pipelines filter NAME` and recipes call it; usually its main column."""
    columns: ClassVar[Mapping[str, ColumnType]]
    """The manifest columns it fills, with their types: float, int, str, or list for a vector of floats."""

    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages it imports that are not part of the core installation."""

    def check(self) -> None:  # noqa: B027 - most have nothing that could be missing
        """See that what `setup` will load is there, before any video is opened. Imports no model library.

        Raises:
            MissingWeightsError: it is not.
        """

    def setup(self) -> None:  # noqa: B027 - most have nothing to load
        """Load what is needed, once in each worker process, before the first `score`."""

    def close(self) -> None:  # noqa: B027
        """Give back what `setup` took."""


class Scorer(Measurement):
    """Measures a clip by its frames, on a CPU."""

    costly: ClassVar[bool] = False
    """True for scorers that run a model: they see only the clips that the rules on cheap columns let through."""

    @abstractmethod
    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Measure one clip: a value for each of `columns`. Called from one thread at a time."""


class BatchScorer(Measurement):
    """Measures many clips at a time with a model, on a GPU where there is one.

    Like the embedding scorers it sees only the clips that the rules on cheaper columns let through.
    """

    gpus: float = 0.5
    """Share of a GPU that a worker books, where there is one."""

    @abstractmethod
    def frames(self, view: FrameView) -> Sequence[npt.NDArray[np.uint8]]:
        """The frames the model is to see, each (H, W, 3), RGB. Runs where the video was decoded, before `setup`."""

    @abstractmethod
    def score(self, clips: Sequence[Sequence[npt.NDArray[np.uint8]]]) -> list[Mapping[str, Score]]:
        """Measure clips by their frames, in order: a value for each of `columns` of each clip."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedded:
    """What a tower made of a clip. Vectors have length 1, so that a dot product is a cosine."""

    frames: npt.NDArray[np.float32]
    """(F, D), in time order: the first frame, the uniform ones, the last."""
    uniform: tuple[int, ...]
    """Which of `frames` are the uniformly spaced ones: all but both ends, where there are enough frames."""
    caption: npt.NDArray[np.float32] | None = None
    """(D,), of the clip's caption; None for scorers that do not ask for it, and for a clip without a caption."""


class EmbeddingScorer(Measurement):
    """Measures a clip by the embeddings of its frames."""

    tower: str
    """Name of the tower whose embeddings are read, as in the recipe's `towers`."""
    needs_caption: ClassVar[bool] = False
    """True for scorers that compare with the caption: they run once there is one."""

    @abstractmethod
    def score(self, embedded: Embedded) -> Mapping[str, Score]:
        """Measure one clip: a value for each of `columns`. Arithmetic on a few vectors; needs no torch."""
