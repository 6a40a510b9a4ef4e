"""The contract of whatever fills columns of a clip: a filter, a captioner, a tower with those that read it.

Two places, two verbs. `look` runs where the video is decoded and gives something small that can travel; `scores` runs
where the model lives, over many clips at a time. What measures without a model has its scores when it has looked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Any, ClassVar

from preprocess.frames import FrameView
from preprocess.kinds import PICTURE
from preprocess.schema import ColumnType as ColumnType

Vector = list[float]
"""Type of a column that holds a vector, stored as float16."""
Score = float | int | bool | str | bytes | Vector | tuple[str, ...] | None
"""None means not measured; absence is never a number."""
Scores = Mapping[str, Score] | Score
"""By column, or the one number of what fills one column."""
Rows = Sequence[Mapping[str, Any]]
"""Of the manifest, as far as they are filled."""
_NO_ROW: Mapping[str, Any] = MappingProxyType({})
Look = Any
"""What is kept of a clip's frames: it pickles, and is a few small pictures at most."""


class Step(IntEnum):
    """When a column is filled. Rules count from the step that fills their column: a clip that one speaks against goes
    no further."""

    KNOWN = 0
    """With the clip itself: its span and its size, and whether it is damaged."""
    FRAMES = 1
    """While the video is decoded, of the clips that are left."""
    COSTLY = 2
    """There, too, of the clips that are left then."""
    BATCHED = 3
    """By a model over a few frames of many clips."""
    EMBEDDED = 4
    """By what reads the vectors that a tower makes."""
    CAPTIONED = 5
    """By the captioner, and by what reads the caption after it."""


class Measurement(ABC):
    """Subclasses are frozen dataclasses whose fields are their parameters; they know no thresholds."""

    name: ClassVar[str]
    """What commands and recipes call it: that of its file, and of its column where it fills one number."""
    columns: ClassVar[Mapping[str, ColumnType]]
    """The manifest columns it fills, with their types; unless it says otherwise, one float of its own name."""
    about: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Unit, "" for none, and meaning of each column: the tables say them, and docs/manifest.md."""
    timed: ClassVar[tuple[str, ...]] = ()
    """Those of its columns that tell of time: null for a picture, and rules on them pass it over."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages it imports that are not part of the core installation."""
    needs_frames: ClassVar[bool] = True
    """False for what reads the row alone."""
    waits: ClassVar[bool] = False
    """True for what waits for a server: one worker, which takes no CPU, asks for several clips at a time."""
    together: ClassVar[bool] = False
    """True for a scorer whose columns hang on all clips of a source: `scores` is asked about each clip for the rules to
    go on with, and at the end about those of a span of the source together."""
    units_at_a_time: ClassVar[int] = 4
    """Units of work that a model is handed at a time: some hundred clips, several full batches."""
    gpus: float = 0.0
    """Share of a GPU that a worker books, where there is one."""
    tower: str | None = None
    """The tower whose vectors it reads; None for what looks for itself."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls, "name") and not hasattr(cls, "columns"):
            cls.columns = {cls.name: float}

    @property
    def step(self) -> Step:
        """When it is its turn."""
        return Step.BATCHED

    @property
    def listens(self) -> bool:
        """Whether it hears the clip: only then views have a `sound`."""
        return False

    @property
    def cpus(self) -> float:
        """CPUs that a worker of its own books."""
        return 1.0

    @property
    def sees(self) -> str:
        """Name of its look. Measurements with one name share the look that the first of them takes."""
        return self.name

    def check(self) -> None:  # noqa: B027 - most have nothing that could be missing
        """See that what `setup` will load is there, before any video is opened. Imports no model library.

        Raises:
            MissingWeightsError: weights are not there.
            ValueError: a setting, a server or an environment variable is not as it must be.
        """

    def setup(self) -> None:  # noqa: B027 - most have nothing to load
        """Load what is needed, once in each worker process, before the first `scores`."""

    def look(self, view: FrameView) -> Look:
        """What it wants to see of a clip. Runs where the video was decoded, for models before `setup`."""
        return None

    def see(self, looks: Sequence[Look], rows: Rows) -> Sequence[Look]:
        """What a model makes of N looks, before they are scored; later measurements of the same look are given that."""
        return looks

    @abstractmethod
    def scores(self, looks: Sequence[Look], rows: Rows) -> Sequence[Scores]:
        """The columns of N clips, in order, from what was seen of them and from their rows so far."""

    def nothing(self, reason: str) -> Mapping[str, Any]:
        """The columns of a clip that cannot be measured."""
        return dict.fromkeys(self.columns)

    def close(self) -> None:  # noqa: B027
        """Give back what `setup` took."""

    def filled(self, scores: Scores, row: Mapping[str, Any] = _NO_ROW) -> Mapping[str, Score]:
        """The scores by column, of the clip of a row; a single one belongs to the only column. Halves of characters,
        which a model may say and no table takes, become `?`.

        Raises:
            ValueError: they are other columns than it declares.
        """
        by_column = scores if isinstance(scores, Mapping) else {self.name: scores}
        if by_column.keys() != self.columns.keys():
            raise ValueError(f"scorer {self.name} gave {sorted(by_column)}, declared {sorted(self.columns)}")
        nothing = self.timed if row.get("kind") == PICTURE else ()
        return {column: None if column in nothing else _storable(value) for column, value in by_column.items()}


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list | tuple) and value and isinstance(value[0], str):
        return type(value)(_storable(each) for each in value)
    return value
