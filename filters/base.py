"""The contract of a filter: measure one thing about a clip, and leave the deciding to `filters.rules`.

Four kinds fill it (`preprocess.measurement`). A `Scorer` looks at one clip's frames, on the CPU that decoded them, and
a `SoundScorer` hears it there. A `BatchScorer` runs a model over a few frames of many clips. An `EmbeddingScorer` looks
at what an image tower (`filters.towers.tower`) made of the frames: all that name the same tower share its one forward
pass. Another kind is another subclass of `Measurement`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from preprocess.frames import FrameView
from preprocess.measurement import ColumnType, Look, Measurement, Rows, Score, Scores, Step, Vector
from preprocess.sound.heard import Heard

__all__ = [
    "BatchScorer",
    "ColumnType",
    "Embedded",
    "EmbeddingScorer",
    "Heard",
    "Look",
    "Measurement",
    "Rows",
    "Score",
    "Scorer",
    "Scores",
    "SoundScorer",
    "Step",
    "Vector",
]


class Scorer(Measurement):
    """Measures a clip by its frames, on a CPU: its look is its scores."""

    costly: ClassVar[bool] = False
    """True for scorers that run a model: they see only the clips that the rules on cheap columns let through."""

    @property
    def step(self) -> Step:
        """Where the video is decoded."""
        return Step.COSTLY if self.costly else Step.FRAMES

    @abstractmethod
    def score(self, view: FrameView) -> Scores:
        """Measure one clip: a value for each of `columns`, or the one number. Called from one thread at a time."""

    def look(self, view: FrameView) -> Look:
        """The scores."""
        return self.score(view)

    def scores(self, looks: Sequence[Look], rows: Rows) -> Sequence[Scores]:
        """As they are."""
        return looks


class SoundScorer(Measurement):
    """Measures a clip by its samples, on the CPU that decoded them: its look is its scores, None without sound."""

    costly: ClassVar[bool] = False
    """As of a `Scorer`."""

    @property
    def listens(self) -> bool:
        """It does."""
        return True

    @property
    def step(self) -> Step:
        """Where the video is decoded."""
        return Step.COSTLY if self.costly else Step.FRAMES

    @abstractmethod
    def score(self, heard: Heard) -> Scores:
        """Measure one clip that has samples, silent or not: a value for each of `columns`, or the one number."""

    def look(self, view: FrameView) -> Look:
        """The scores."""
        heard = view.sound.heard if view.sound is not None else None
        return None if heard is None else self.score(heard)

    def scores(self, looks: Sequence[Look], rows: Rows) -> Sequence[Scores]:
        """As they are."""
        return [dict.fromkeys(self.columns) if look is None else look for look in looks]


class BatchScorer(Measurement):
    """Measures many clips at a time with a model, on a GPU where there is one.

    Like the embedding scorers it sees only the clips that the rules on cheaper columns let through.
    """

    gpus: float = 0.5

    @abstractmethod
    def frames(self, view: FrameView) -> Sequence[npt.NDArray[np.uint8]]:
        """The frames the model is to see, each (H, W, 3), RGB. Runs where the video was decoded, before `setup`."""

    @abstractmethod
    def score(self, clips: Sequence[Sequence[npt.NDArray[np.uint8]]]) -> Sequence[Scores]:
        """Measure clips by their frames, in order: a value for each of `columns` of each clip, or the one number."""

    def look(self, view: FrameView) -> Look:
        """The frames."""
        return self.frames(view)

    def scores(self, looks: Sequence[Look], rows: Rows) -> Sequence[Scores]:
        """Of all clips together."""
        return self.score(looks)


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
    """Measures a clip by the embeddings of its frames, which its tower makes (`filters.towers.reading`)."""

    tower: str
    """Name of the tower whose embeddings are read, as in the recipe's `towers`."""
    needs_caption: ClassVar[bool] = False
    """True for scorers that compare with the caption: they run once there is one."""

    @property
    def step(self) -> Step:
        """With the tower's pass, or after the caption."""
        return Step.CAPTIONED if self.needs_caption else Step.EMBEDDED

    @abstractmethod
    def score(self, embedded: Embedded) -> Scores:
        """Measure one clip: a value for each of `columns`, or the one number. Arithmetic on a few vectors; no torch."""

    def scores(self, looks: Sequence[Look], rows: Rows) -> Sequence[Scores]:
        """Clip by clip, from its `Embedded`."""
        return [self.score(embedded) for embedded in looks]
