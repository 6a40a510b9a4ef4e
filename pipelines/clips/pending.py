"""A clip on its way through the stages: its row so far, and the small pictures that later stages will look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from captioners.base import Captioner
from filters.base import BatchScorer, Embedded, EmbeddingScorer, Measurement, Score, Scorer
from filters.towers.tower import Pixels, Tower
from preprocess.frames import FrameView
from preprocess.manifest import Row


@dataclass(slots=True, kw_only=True)
class PendingClip:
    """What travels between workers. Each stage fills columns of `row` and drops the pictures that it has used."""

    row: Row
    tower_frames: dict[str, tuple[Pixels, tuple[int, ...]]] = field(default_factory=dict)
    """By tower: its frames, and which of them are the uniformly spaced ones."""
    batch_frames: dict[str, Sequence[npt.NDArray[np.uint8]]] = field(default_factory=dict)
    """By batch scorer."""
    caption_frames: tuple[bytes, ...] = ()
    """JPEG files."""
    embedded: dict[str, Embedded] = field(default_factory=dict)
    """By tower, for scorers that wait for the caption."""
    left_out: str | None = None
    """Why a measurement has no value for this clip, where the clip killed whoever measured it."""


class Pending(Protocol):
    """An item of any pipeline of stages: clips that were decoded together."""

    @property
    def clips(self) -> Iterable[PendingClip]:
        """The clips, source by source in time order."""
        ...


def measure(scorers: Iterable[Scorer], view: FrameView | None) -> dict[str, Score]:
    """The scorers' columns for one clip; None for all of them where it has no view."""
    row: dict[str, Score] = {}
    for scorer in scorers:
        row |= checked(scorer, dict.fromkeys(scorer.columns) if view is None else scorer.score(view))
    return row


def checked(measurement: Measurement, scores: Mapping[str, Score]) -> Mapping[str, Score]:
    """The scores, as they are.

    Raises:
        ValueError: they are other columns than the measurement declares.
    """
    if scores.keys() != measurement.columns.keys():
        raise ValueError(f"scorer {measurement.name} gave {sorted(scores)}, declared {sorted(measurement.columns)}")
    return scores


def look(
    view: FrameView, scorers: Iterable[Measurement], towers: Sequence[Tower], captioner: Captioner | None, row: Row
) -> PendingClip:
    """Keep of a clip's frames what the stages with models will need."""
    asked = [scorer for scorer in scorers if isinstance(scorer, EmbeddingScorer | BatchScorer)]
    names = {scorer.tower for scorer in asked if isinstance(scorer, EmbeddingScorer)}
    return PendingClip(
        row=row,
        tower_frames={tower.name: tower.frames(view) for tower in towers if tower.name in names},
        batch_frames={scorer.name: scorer.frames(view) for scorer in asked if isinstance(scorer, BatchScorer)},
        caption_frames=() if captioner is None else captioner.frames(view),
    )
