"""Bin a score column: steps a reader can count in, kept beside not kept, and the rule's bounds inside the picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.report.columns import finite

BINS = 36
"""About 8 px a bin in the narrowest figure of the page; half as many and twice as many still read well."""
TAIL_PERCENT = 1.0
"""Scores such as sharpness have tails of many times their median; the last percent of each end shares its end bin."""


def histogram(
    name: str,
    values: npt.NDArray[np.float64],
    kept: npt.NDArray[np.bool_],
    bound: tuple[float | None, float | None],
) -> dict[str, Any]:
    """Counts of `values` (N,) in equal bins, split by `kept` (N,); NaN is counted as missing.

    Bin i is [start + i*step, start + (i+1)*step), the last one with its upper end, and a maximum that is a bin's edge
    belongs to the bin below it, as the rule keeps it. Where `open_low` or `open_high` is set, the end bin also holds
    all that lies beyond it. `whole` bins hold one whole number each, in their middle. The counts sum to the number of
    values that are not NaN.
    """
    measured = values[~np.isnan(values)]
    measured_kept = kept[~np.isnan(values)]
    start, step, bins, whole = _bins(measured[np.isfinite(measured)], bound)
    # Edges are multiples of the step: the nudge keeps 0.3 / 0.1 = 2.999... in the bin that starts at 0.3.
    nudge = np.where(measured == bound[1], -1e-9, 1e-9)
    place = np.clip(np.floor((measured - start) / step + nudge), 0, bins - 1).astype(np.int64)
    return {
        "name": name,
        "min": bound[0],
        "max": bound[1],
        "start": start,
        "step": step,
        "whole": whole,
        "kept": np.bincount(place[measured_kept], minlength=bins).tolist(),
        "not_kept": np.bincount(place[~measured_kept], minlength=bins).tolist(),
        "open_low": bool((measured < start - step * 1e-9).any()),
        "open_high": bool((measured > start + step * (bins + 1e-9)).any()),
        "missing": int(len(values) - len(measured)),
        "median": finite(np.median(measured)) if len(measured) else None,
        "median_kept": finite(np.median(measured[measured_kept])) if measured_kept.any() else None,
    }


def _bins(
    measured: npt.NDArray[np.float64], bound: tuple[float | None, float | None]
) -> tuple[float, float, int, bool]:
    """(start, step, number of bins, whether each holds one whole number) of a histogram over `_extent`."""
    low, high = _extent(measured, bound)
    inside = [end for end in bound if end is not None and low <= end <= high]
    # Values closer than this are one value with rounding errors.
    spread = high - low > 1e-9 * max(abs(low), abs(high))
    step = _round_step(high - low, inside) if spread else abs(low) / 10
    # Two whole numbers side by side may be a fraction's 0 and 1; three are counts.
    if len(measured) and step <= 1 < np.ptp(measured) and (measured == np.round(measured)).all():
        first = math.floor(low)
        return first - 0.5, 1.0, math.floor(high) - first + 1, True
    first = math.floor(low / step + 1e-9)
    # What lies beyond a bound, or in the tail, must not share a bin with what lies within it.
    beyond = len(measured) > 0 and measured.max() > high
    end = math.floor(high / step + 1e-9) + 1 if beyond else math.ceil(high / step - 1e-9)
    return first * step, step, max(1, end - first), False


def _extent(measured: npt.NDArray[np.float64], bound: tuple[float | None, float | None]) -> tuple[float, float]:
    """(low, high) of the bulk of `measured` and, where they are near enough, of its tails and the rule's bounds."""
    ends = [end for end in bound if end is not None]
    if not len(measured) or measured.min() == measured.max():
        # One value has no width of its own: show it against the bounds, or against zero.
        points = [*ends, *measured[:1].tolist()]
        return (min(points), max(points)) if len(set(points)) > 1 else _around_zero(points[0] if points else 0.0)
    low, high = (float(end) for end in np.percentile(measured, [TAIL_PERCENT, 100 - TAIL_PERCENT]))
    # A tail no longer than half the bulk costs little room: show it whole.
    slack = (high - low) / 2
    if measured.min() >= low - slack:
        low = float(measured.min())
    if measured.max() <= high + slack:
        high = float(measured.max())
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
