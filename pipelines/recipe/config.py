"""A recipe is a dataclass, made by a function such as those in `recipes.py` and changed by `--set key=value`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

from captioners.base import Captioner
from filters.base import Measurement
from filters.rules import Range
from filters.towers.tower import Tower
from preprocess.clip import CLIP_COLUMNS, TIMED_COLUMNS, Column
from preprocess.file_bounds import FileBounds
from preprocess.io.bounds import at_least, check
from preprocess.io.names import recipe_named
from preprocess.io.settings import OPERATIONAL, keyed_by
from preprocess.observe import ClipLengths
from preprocess.schema import described
from preprocess.shots.detector import ShotConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """Everything that decides what ends up in a manifest."""

    name: str
    shots: ShotConfig
    clips: ClipLengths
    scorers: tuple[Measurement, ...]
    rules: tuple[Range, ...] = field(metadata=keyed_by("column"))
    captioner: Captioner
    towers: tuple[Tower, ...] = ()
    """The models that embed frames, which embedding scorers name."""
    pictures: bool = field(default=False, metadata=OPERATIONAL)
    """Take pictures, too, each as a clip of one frame. Like SOURCE, it says what is taken and not what comes of it."""
    span_seconds: float = field(default=300.0, metadata=at_least(60))
    """A longer video is divided into spans of about this length, which workers take one by one. Its clips end there."""
    failures_in_a_row: int = field(default=50, metadata=OPERATIONAL | at_least(1))
    """So many files, one after the other, that machine or storage failed to read stop the run."""
    internal_errors_in_a_row: int = field(default=20, metadata=OPERATIONAL | at_least(1))
    """So many files or clips that our own code failed on, and none between them that it did not, stop the run."""

    bounds: FileBounds = field(default_factory=FileBounds)
    """What one file may take; part of no fingerprint, so that a file beyond may be tried again with others."""

    def __post_init__(self) -> None:
        check(self)
        names = [scorer.name for scorer in self.scorers]
        columns = [column for filler in (*self.scorers, self.captioner) for column in filler.columns]
        towers = [tower.name for tower in self.towers]
        for what, those in (("scorer", names), ("column", columns), ("tower", towers)):
            if len(set(those)) != len(those):
                raise ValueError(f"recipe {self.name}: a {what} is named twice in {those}")
        for scorer in self.scorers:
            if scorer.tower is not None and scorer.tower not in towers:
                raise ValueError(f"recipe {self.name}: {scorer.name} reads tower {scorer.tower!r}, there are {towers}")
        for rule in self.rules:
            check_column(rule.column, self.rule_columns)

    @property
    def columns(self) -> dict[str, Column]:
        """The scorers' manifest columns, in the recipe's order."""
        return {
            name: column for scorer in self.scorers for name, column in described(scorer.columns, scorer.about).items()
        }

    @property
    def timed_columns(self) -> frozenset[str]:
        """Columns that are null for a picture."""
        return TIMED_COLUMNS.union(*(scorer.timed for scorer in self.scorers))

    @property
    def rule_columns(self) -> list[str]:
        """Columns that hold a number, so that a rule can be put on them."""
        structural = [column.name for column in CLIP_COLUMNS if column.is_number]
        return structural + [name for name, column in self.columns.items() if column.is_number]


def recipe(text: str) -> CurateConfig:
    """The recipe that the command line names: one of `recipes.py`, or `module:function`, or `file.py:function`.

    Raises:
        ValueError: there is none, or it is no recipe; the message lists those there are.
    """
    return recipe_named(text, "pipelines.recipe.recipes", CurateConfig)


def check_column(column: str, known: list[str]) -> None:
    """See that a rule can be put on a column.

    Raises:
        ValueError: it is not among those `known`; the message names its neighbours.
    """
    if column not in known:
        near = difflib.get_close_matches(column, known, n=3) or sorted(known)
        raise ValueError(f"rule on {column!r}: no such column in this recipe; did you mean {', '.join(near)}?")
