"""Bin a score column: steps a reader can count in, kept beside not kept, and the rule's bounds inside the picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.report.columns import finite

BINS = 36
"""About 8 px a bin in the narrowest figure of the page; half as many and twice as many still read well."""
WIDE = 100.0
"""Positive values whose bulk and bounds spread as far are told by their logarithm."""
DECADES = 6
"""Of a logarithmic axis, downwards from its end; what is smaller is as good as zero."""
TAIL_PERCENT = 1.0
"""Scores such as sharpness have tails of many times their median; the last percent of each end shares its end bin."""

_LEAST_WIDTH = 1e-300
"""Below, numbers lose their digits."""
_FARTHEST = 1e150
"""Bins lie within: differences and sums of such numbers have no end of range near them."""


class Spread:
    """How the values of a column lie, gathered a few rows at a time."""

    def __init__(self) -> None:
        self.measured = 0
        """Values that are not NaN."""
        self.low, self.high = math.inf, -math.inf
        """Of the finite ones, none beyond `_FARTHEST`."""
        self.whole = True
        self._sample: list[npt.NDArray[np.float64]] = []
        self._sample_kept: list[npt.NDArray[np.float64]] = []

    def add(self, values: npt.NDArray[np.float64], kept: npt.NDArray[np.bool_], sampled: npt.NDArray[np.int64]) -> None:
        """More values (N,), whether each is of a kept clip (N,), and which of them, by number, stand for all."""
        is_finite = np.isfinite(values)
        values = np.where(is_finite, np.clip(values, -_FARTHEST, _FARTHEST), values)
        finite_values = values[is_finite]
        self.measured += int((~np.isnan(values)).sum())
        if len(finite_values):
            self.low = min(self.low, float(finite_values.min()))
            self.high = max(self.high, float(finite_values.max()))
            self.whole = self.whole and bool((finite_values == np.round(finite_values)).all())
        values, kept = values[sampled], kept[sampled]
        known = ~np.isnan(values)
        self._sample.append(values[known])
        self._sample_kept.append(values[known & kept])

    @property
    def sample(self) -> npt.NDArray[np.float64]:
        """Values that stand for all."""
        return np.concatenate([np.zeros(0), *self._sample])

    @property
    def sample_kept(self) -> npt.NDArray[np.float64]:
        """Those of kept clips."""
        return np.concatenate([np.zeros(0), *self._sample_kept])


class Histogram:
    """Counts in equal bins, kept beside not kept.

    Bin i is [start + i*step, start + (i+1)*step), the last one with its upper end, and a maximum that is a bin's edge
    belongs to the bin below it, as the rule keeps it. Where `open_low` or `open_high` is set, the end bin also holds
    all that lies beyond it. `whole` bins hold one whole number each, in their middle. Where it is `log`, all this is of
    the decimal logarithm of values that are hardly ever negative, and zero lies in the first bin. The counts sum to the
    number of values that are not NaN; NaN is counted as missing.
    """

    def __init__(self, name: str, spread: Spread, bound: tuple[float | None, float | None]) -> None:
        sample, sample_kept = spread.sample, spread.sample_kept
        self.name = name
        self._bound = bound
        logarithmic = _logarithmic(spread, bound)
        self._log, self._whole = logarithmic is not None, False
        if logarithmic is None:
            self._start, self._step, self._bins, self._whole = _bins(spread, bound)
        else:
            self._start, self._step, self._bins = logarithmic
        self._kept = np.zeros(self._bins, np.int64)
        self._not_kept = np.zeros(self._bins, np.int64)
        self._missing = 0
        self._open_low = self._open_high = False
        self._median, self._median_kept = _median(sample), _median(sample_kept)

    def add(self, values: npt.NDArray[np.float64], kept: npt.NDArray[np.bool_]) -> None:
        """Count values (N,), split by `kept` (N,)."""
        known = ~np.isnan(values)
        measured, measured_kept = values[known], kept[known]
        place, measured = bins_of(measured, self._start, self._step, self._bins, self._bound[1], is_log=self._log)
        self._kept += np.bincount(place[measured_kept], minlength=self._bins)
        self._not_kept += np.bincount(place[~measured_kept], minlength=self._bins)
        self._missing += len(values) - len(measured)
        self._open_low |= bool((measured < self._start - self._step * 1e-9).any())
        self._open_high |= bool((measured > self._start + self._step * (self._bins + 1e-9)).any())

    def data(self) -> dict[str, Any]:
        """In the types of JSON."""
        return {
            "name": self.name,
            "min": self._bound[0],
            "max": self._bound[1],
            "start": self._start,
            "step": self._step,
            "whole": self._whole,
            "log": self._log,
            "kept": self._kept.tolist(),
            "not_kept": self._not_kept.tolist(),
            "open_low": self._open_low,
            "open_high": self._open_high,
            "missing": self._missing,
            "median": self._median,
            "median_kept": self._median_kept,
        }


def bins_of(
    values: npt.NDArray[np.float64], start: float, step: float, bins: int, most: float | None, *, is_log: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The bin of each value (N,), none of which is NaN, and the values as they are on the axis."""
    # Edges are multiples of the step: the nudge keeps 0.3 / 0.1 = 2.999... in the bin that starts at 0.3.
    nudge = np.where(values == most, -1e-9, 1e-9)
    if is_log:
        values = np.log10(np.maximum(values, 10.0 ** (start - 1)))
    with np.errstate(over="ignore"):  # What is so far away is at the end.
        place = np.floor((values - start) / step + nudge)
    return np.clip(place, 0, bins - 1).astype(np.int64), values


def _bins(spread: Spread, bound: tuple[float | None, float | None]) -> tuple[float, float, int, bool]:
    """(start, step, number of bins, whether each holds one whole number) of a picture of what `_extent` says."""
    low, high = _extent(spread, [end for end in bound if end is not None and abs(end) <= _FARTHEST])
    inside = [end for end in bound if end is not None and low <= end <= high]
    # Values closer than this are one value with rounding errors.
    is_wide = high - low > max(1e-9 * max(abs(low), abs(high)), _LEAST_WIDTH)
    step = _round_step(high - low, inside) if is_wide else max(abs(low) / 10, _LEAST_WIDTH)
    # Two whole numbers side by side may be a fraction's 0 and 1; three are counts.
    if step <= 1 < spread.high - spread.low and spread.whole:
        first = math.floor(low)
        return first - 0.5, 1.0, math.floor(high) - first + 1, True
    first = math.floor(low / step + 1e-9)
    # What lies beyond a bound, or in the tail, must not share a bin with what lies within it.
    end = math.floor(high / step + 1e-9) + 1 if spread.high > high else math.ceil(high / step - 1e-9)
    return first * step, step, max(1, end - first), False


def _logarithmic(spread: Spread, bound: tuple[float | None, float | None]) -> tuple[float, float, int] | None:
    """(start, step, number of bins) in decades, or None where the values are better told as they are.

    That is, where they are no more than `WIDE` apart, mostly zero, or negative.
    """
    sample = spread.sample[np.isfinite(spread.sample)]
    positive = sample[sample > 0]
    if spread.low < 0 or len(positive) < max(3, len(sample) / 2):
        return None
    outer, bulk = (np.percentile(positive, [share, 100 - share]) for share in (TAIL_PERCENT, 5.0))
    # A bound far from all values is pointed at, as on other axes.
    near = [end for end in bound if end is not None and outer[0] / 1e3 <= end <= outer[1] * 1e3 and end > 0]
    highest, lowest = max([outer[1], *near]), min([outer[0], *near])
    # One stray value does not make a column that spreads.
    low, high = math.log10(lowest), math.log10(highest)
    if high - low < math.log10(WIDE) or math.log10(bulk[1]) - math.log10(bulk[0]) < math.log10(2):
        return None
    low = max(low, high - DECADES)
    step = min(
        (1 / parts for parts in (24, 20, 16, 12, 10, 8, 6, 5, 4)), key=lambda one: abs((high - low) / one - BINS)
    )
    first = math.floor(low / step + 1e-9)
    if spread.low < 10 ** (first * step):
        first -= 1
    return first * step, step, math.ceil(high / step + 1e-9) - first


def _median(sample: npt.NDArray[np.float64]) -> float | None:
    """None where it is no number, as between the two infinities."""
    with np.errstate(invalid="ignore"):
        return finite(np.median(sample)) if len(sample) else None


def _extent(spread: Spread, ends: list[float]) -> tuple[float, float]:
    """(low, high) of the bulk of the values and, where they are near enough, of its tails and the bounds `ends`."""
    if spread.low >= spread.high:
        # One value has no width of its own: show it against the bounds, or against zero.
        points = [*ends, *([spread.low] if spread.low == spread.high else [])]
        return (min(points), max(points)) if len(set(points)) > 1 else _around_zero(points[0] if points else 0.0)
    sample = spread.sample
    sample = sample[np.isfinite(sample)]
    bulk = np.percentile(sample, [TAIL_PERCENT, 100 - TAIL_PERCENT]) if len(sample) else (spread.low, spread.high)
    low, high = (float(end) for end in bulk)
    # A tail no longer than half the bulk costs little room: show it whole.
    # Where all but a few have one and the same value, these few are what there is to see.
    slack = (high - low) / 2 if high > low else math.inf
    if spread.low >= low - slack:
        low = spread.low
    if spread.high <= high + slack:
        high = spread.high
    # A bound farther away than the data is wide would squeeze the data into a corner; the page points at it instead.
    width = high - low
    near = [end for end in ends if low - width <= end <= high + width]
    return min([low, *near]), max([high, *near])


def _around_zero(value: float) -> tuple[float, float]:
    return (0.0, 1.0) if value == 0 else (min(0.0, 2 * value), max(0.0, 2 * value))


def _round_step(width: float, inside: list[float]) -> float:
    """A round step that cuts `width` into about `BINS`, with an edge at each bound where such a step exists.

    A bin that a bound cuts in two would show kept and rejected clips mixed just where they part.
    """
    power = 10.0 ** math.floor(math.log10(width / BINS))
    rounds = [factor * power for factor in (0.5, 0.6, 1, 2, 2.5, 3, 4, 5, 6, 10, 20)]
    usable = [step for step in rounds if BINS / 2 <= width / step <= BINS * 2]
    return min(
        usable,
        key=lambda step: (
            sum(abs(end / step - round(end / step)) > 1e-6 for end in inside),
            abs(math.log(width / step / BINS)),
        ),
    )
