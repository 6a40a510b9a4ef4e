"""When each region of a picture changes from one shot to the other: what wipes are told and measured by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.shots.track import Vector

Counts = npt.NDArray[np.int64]

REGIONS = (6, 8)
"""Rows and columns of regions: a region is a few cells of the thumbnail, enough to tell two pictures apart."""
CELLS = (64, 64)
"""More than a thumbnail has pixels: each is a region of its own."""
MAX_OFF = 0.35
"""A region shows a picture as long as its squared distance is below this part of that of the two pictures."""
MIN_WEIGHT = 0.2
"""Regions with less than this part of the mean change tell nothing."""
MIN_GAP = 3
"""Of those without any region that changes, or half of the wipe if that is longer, are not inside it."""
LEAST_RATE = 0.1
"""Where less than this part of the usual number of cells changes, the wipe has not begun, or is over."""
MIN_MIXED = 0.12
"""Mean share of the other picture, by squared distances, from which on regions are mixed."""
_SUM = np.ones((1, 3), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """When each region of a window changes from the first picture to the last; arrays are (rows, columns)."""

    first_new: Counts
    """The first frame, counted from the window's, that shows the last picture."""
    weights: Vector
    """Squared distance of the two pictures, in all 1."""
    sure: npt.NDArray[np.bool_]
    """Regions that show one picture before and the other after."""
    from_before: Vector
    """Squared distance of each frame from the first picture, (frames, rows, columns)."""
    from_after: Vector
    """The same from the last picture."""

    @property
    def disorder(self) -> float:
        """Mean squared difference between the times of neighbours over their variance: 1 by chance, 0 in one sweep."""
        times = self.first_new.astype(np.float64)
        across = (times[1:] - times[:-1]).ravel(), (times[:, 1:] - times[:, :-1]).ravel()
        steps = [float(step @ step) / step.size for step in across if step.size]
        return sum(steps) / (2 * max(1, len(steps)) * (float(times.var()) + 1e-6))

    @property
    def ramp(self) -> int:
        """Frames that a region takes to change, on either side of its switch: a soft edge."""
        weights = (self.weights * self.sure).ravel()
        weights /= weights.sum() + 1e-6
        from_before, from_after = (far.reshape(len(far), -1) for far in (self.from_before, self.from_after))
        times, regions = self.first_new.ravel(), np.arange(len(weights))
        away = np.arange(len(from_before) // 4)[:, None]
        mixed = [
            (shown[at, regions] / (from_before[at, regions] + from_after[at, regions] + 1e-6)) @ weights
            for shown, at in (
                (from_before, np.maximum(times - 1 - away, 0)),
                (from_after, np.minimum(times + away, len(from_after) - 1)),
            )
        ]
        clean = np.maximum(*mixed) < MIN_MIXED
        return int(clean.argmax()) if clean.any() else len(clean)


def switches_of(frames: Vector, grid: tuple[int, int] = REGIONS) -> Switches:
    """Of frames as pictures, (n, h, w, 3), in so many rows and columns of regions."""
    from_before, from_after = (by_region(squares(frames, frames[at]), grid) for at in (0, -1))
    changed = from_after[0]
    as_before, as_after = from_before.cumsum(axis=0), from_after.cumsum(axis=0)
    last_old = (as_before - as_after)[:-1].argmin(axis=0)[None]
    first_new: Counts = last_old[0] + 1
    off_before = np.take_along_axis(as_before, last_old, axis=0)[0] / first_new
    off_after = (as_after[-1] - np.take_along_axis(as_after, last_old, axis=0)[0]) / (len(frames) - first_new)
    weights = changed / (changed.sum() + 1e-6)
    sure = (np.maximum(off_before, off_after) < MAX_OFF * changed) & (weights * weights.size > MIN_WEIGHT)
    return Switches(first_new=first_new, weights=weights, sure=sure, from_before=from_before, from_after=from_after)


def squares(frames: Vector, others: Vector) -> Vector:
    """Squared differences, in the memory of the differences."""
    differences = frames - others
    differences *= differences
    return differences


def by_region(values: Vector, grid: tuple[int, int] = REGIONS) -> Vector:
    """Means over regions, (n, h, w, 3) to (n, rows, columns); a last row or column that does not fit is left out."""
    count, height, width = values.shape[:3]
    rows, columns = _parts(height, grid[0]), _parts(width, grid[1])
    fitting = cv2.transform(values.reshape(1, -1, 3), _SUM).reshape(count, height, width)
    if (rows, columns) != (height, width):
        fitting = np.ascontiguousarray(fitting[:, : height - height % rows, : width - width % columns])
        fitting = cv2.resize(
            fitting.reshape(-1, fitting.shape[2]), (columns, count * rows), interpolation=cv2.INTER_AREA
        )
    regions: Vector = fitting.reshape(count, rows, columns)
    return regions


@cache
def _parts(size: int, wanted: int) -> int:
    """Into how many equal parts a side is cut, such that few pixels are left over."""
    return min(range(min(size, wanted), max(0, min(size, wanted) - 3), -1), key=lambda parts: size % parts)


def together(times: Counts) -> tuple[int, int]:
    """The first and the last of the times that follow the median one without a gap: others are things that moved."""
    times = np.sort(times)
    widest = max(MIN_GAP, (times[-1 - len(times) // 8] - times[len(times) // 8]) // 2 + 1)
    gaps = np.flatnonzero(np.diff(times) > widest)
    at = np.searchsorted(gaps, len(times) // 2)
    first = gaps[at - 1] + 1 if at else 0
    last = gaps[at] if at < len(gaps) else len(times) - 1
    return int(times[first]), int(times[last])


def busy(times: Counts) -> tuple[int, int]:
    """The first and the last of the times around the median one at which not much fewer cells change than at others:
    here and there a cell changes before and after, where something moves."""
    times = np.sort(times)
    early, late = int(times[len(times) // 8]), int(times[-1 - len(times) // 8])
    counts = np.bincount(times)
    least = LEAST_RATE * 0.75 * len(times) / (late - early + 1)
    near = max(MIN_GAP, (late - early) // 4)
    quiet = np.flatnonzero(np.convolve(counts, np.ones(near), "same") < least * near)
    middle = int(times[len(times) // 2])
    at = int(np.searchsorted(quiet, middle))
    first = int(quiet[at - 1]) + 1 if at else 0
    last = int(quiet[at]) if at < len(quiet) else len(counts)
    busy = np.flatnonzero(counts[first:last] >= least)
    return (first + int(busy[0]), first + int(busy[-1])) if busy.size else (middle, middle)
