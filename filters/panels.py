"""How many pictures a frame is divided into: split screens, reactions beside what they react to, grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from filters.base import ColumnType, Scorer
from filters.layout.gradients import Gradients, gradients, small_lumas
from preprocess.frames import FrameView, Plane

MARGIN = 0.15
"""Share of the width or height on either side where no division is looked for: bars, inserts and tickers are there."""
STEP = 6.0
"""Levels of gradient by which two pictures differ at their common edge."""
LEAST_COVER, LEAST_COVER_EACH = 0.8, 0.5
"""Share of an edge's length where some sample shows a step, and where each does: 0.98 and 0.79 at least where two films
meet, 0.58 where their levels are alike."""
STANDS_OUT = 4.0
"""Times the mean step of the lines around: 5.3 and more where films meet, 3.1 at most in a film that moves."""
AROUND = 10
"""Lines on either side that are compared with."""
LEAST_MIXED = 0.15
"""Share of the length where an edge goes up, and where it goes down: a door is brighter than its wall all the way."""
MOVED = 5.0
"""Levels by which a place has to differ from what it was to have moved."""
MOST_TOGETHER = 0.6
"""Correlation of what moves on both sides of an edge between two pictures; under half of a film that is lit, near 1."""
LINE_SPREAD = 3.0
"""Standard deviation over length and time of the level of a line that is drawn between pictures: 1.7 at most; that of a
cupboard's board has 4."""

WIDEST_LINE = 12
"""Columns of the small picture."""


@dataclass(frozen=True, slots=True)
class PanelsScorer(Scorer):
    """`panels`: pictures that a frame is divided into by straight edges all across; 1 where none is sure.

    Sure is a line of one colour, an edge that is brighter now on this side and now on that, or one that stays while
    what lies beside it moves on both sides, each in its own way: an edge of the scene goes with one of them. Others
    stay 1, since a cupboard's edge looks the same.
    """

    name: ClassVar[str] = "panels"
    columns: ClassVar[Mapping[str, ColumnType]] = {"panels": int}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "panels": ("", "pictures that a frame is divided into: 2 for a split screen; 1 where no division is sure"),
    }

    def score(self, view: FrameView) -> int:
        """Always measured."""
        lumas, found = small_lumas(view), np.stack(gradients(view))
        if min(lumas[0].shape) < 6 * AROUND:
            return 1
        across = _divisions(found[:, 0], lumas)
        down = _divisions(found[:, 1].transpose(0, 2, 1), [luma.T for luma in lumas])
        return (across + 1) * (down + 1)


def _divisions(steps: Gradients, lumas: Sequence[Plane]) -> int:
    """Upright edges that divide N pictures, of gradients (N, h, w) from left to right."""
    magnitude = np.abs(steps)
    over = (magnitude >= STEP).view(np.uint8)
    samples, height, width = steps.shape
    # whole numbers are added up: numpy's means of them go by way of float64
    mean = np.add.reduce(magnitude, axis=(0, 1), dtype=np.int32) / (samples * height)
    cover = np.add.reduce(np.bitwise_or.reduce(over, axis=0), axis=0, dtype=np.uint16) / height
    in_each = np.add.reduce(over, axis=1, dtype=np.uint16).min(axis=0) / height
    found: list[int] = []
    for column in np.flatnonzero((cover >= LEAST_COVER) & (in_each >= LEAST_COVER_EACH)):
        low, high = column - AROUND, column + AROUND + 1
        if not MARGIN * width <= column <= (1 - MARGIN) * width or (found and column - found[-1] <= AROUND):
            continue
        around = np.concatenate([mean[low : column - 3], mean[column + 4 : high]])
        if mean[column] >= STANDS_OUT * max(1.0, float(np.median(around))) and _is_division(steps, lumas, int(column)):
            found.append(int(column))
    return len(found)


def _is_division(steps: Gradients, lumas: Sequence[Plane], column: int) -> bool:
    """Whether an edge is where two pictures meet, or the side of a line that is drawn between them."""
    edge = steps[:, :, column]
    mixed = min((edge > STEP).mean(), (edge < -STEP).mean()) >= LEAST_MIXED
    return (
        bool(mixed)
        or _sides_move(lumas, column)
        or any(
            np.stack([luma[:, beside] for luma in lumas]).std() <= LINE_SPREAD and _ends_again(steps, beside, column)
            for beside in (column + 1, column + 2)
        )
    )


def _sides_move(lumas: Sequence[Plane], column: int) -> bool:
    """Whether both sides of an edge move over some of its length, and not as one picture."""
    if len(lumas) == 1:
        return False
    left = _moved(lumas, column - 2, column - 3)
    right = _moved(lumas, column + 2, column + 3)
    if min((np.abs(side).max(axis=0) >= MOVED).mean() for side in (left, right)) < LEAST_MIXED:
        return False
    return bool(np.corrcoef(left.ravel(), right.ravel())[0, 1] <= MOST_TOGETHER)


def _moved(lumas: Sequence[Plane], near: int, far: int) -> npt.NDArray[np.float32]:
    """(N - 1, h): by how many levels both of two columns differ from those of the first picture, its light apart."""
    found = []
    for column in (near, far):
        levels = np.stack([luma[:, column] for luma in lumas]).astype(np.float32)
        levels -= levels.mean(axis=1, keepdims=True)
        first = levels[0]
        gain = levels @ first / max(float(first @ first), 1.0)
        found.append((levels - gain[:, None] * first)[1:])
    one, other = found
    return np.asarray(np.where(np.abs(one) <= np.abs(other), one, other))


def _ends_again(steps: Gradients, line: int, column: int) -> bool:
    """Whether a line that begins at a column ends within `WIDEST_LINE` of them with steps of the other direction."""
    begins = steps[:, :, column].astype(np.float32)
    for end in range(line, min(line + WIDEST_LINE, steps.shape[2])):
        ends = steps[:, :, end].astype(np.float32)
        if (np.abs(ends).max(axis=0) >= STEP).mean() >= LEAST_COVER and (begins * ends < 0).mean() >= 1 - LEAST_MIXED:
            return True
    return False
