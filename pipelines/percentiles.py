"""Bounds that are given as a share of the clips: `--set rules.motion.min=p10`.

The 10th percentile is the smallest measured value that at least 10 % of the measured values do not exceed (nearest
rank), so a bound is always a value that some clip has. It is taken over all clips of the manifest, kept or not, in
which the column holds a finite number.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from filters.rules import numbers_of
from pipelines.recipe.config import CurateConfig, check_column
from preprocess.io.tables import PartedTable

Values = npt.NDArray[np.float64]

MOST_SORTED = 1_000_000
"""Values in memory at a time. Of more, those of the right size are found by their leading bits first."""
_BITS = 16
_ASKED = re.compile(r"rules\.([^=]+)\.(?:min|max)")
_SHARE = re.compile(r"p(\d+(?:\.\d+)?)")

_log = logging.getLogger("clipmill")


def resolved(assignments: Sequence[str], config: CurateConfig, clips: PartedTable) -> list[str]:
    """`--set` texts with the percentiles of rules as the numbers that they are in a table of clips.

    Raises:
        ValueError: no percentile, no such column, or no clip has a value in it.
    """
    return [_resolved(assignment, config, clips) for assignment in assignments]


def percentile(values: Callable[[], Iterator[Values]], share: Fraction) -> tuple[float, int] | None:
    """The value at a share (0 to 1) by nearest rank, and of how many it is; None where there are none.

    Args:
        values: gives the finite numbers, some at a time; asked at most five times, so that all of them are never in
            memory at once.
        share: of the values that are not larger.
    """
    count = sum(len(each) for each in values())
    if not count:
        return None
    rank = max(1, math.ceil(share * count))
    prefix, known, left = 0, 0, count
    while left > MOST_SORTED and known < 64:
        bins = np.zeros(1 << _BITS, np.int64)
        for each in values():
            bins += np.bincount(_digits(_within(_keys(each), prefix, known), known), minlength=1 << _BITS)
        digit = int(np.searchsorted(np.cumsum(bins), rank))
        rank -= int(bins[:digit].sum())
        prefix, known, left = (prefix << _BITS) | digit, known + _BITS, int(bins[digit])
    if known == 64:  # more than that many have the very same value
        return float(_values(np.array([prefix], np.uint64))[0]), count
    found = np.sort(np.concatenate([_within(_keys(each), prefix, known) for each in values()]))
    return float(_values(found[rank - 1 : rank])[0]), count


def _resolved(assignment: str, config: CurateConfig, clips: PartedTable) -> str:
    key, _, text = (part.strip() for part in assignment.partition("="))
    asked, share = _ASKED.fullmatch(key), _SHARE.fullmatch(text)
    if asked is None or share is None:
        return assignment
    column = asked[1]
    check_column(column, config.rule_columns)
    if Fraction(share[1]) > 100:
        raise ValueError(f"--set {assignment}: a percentile lies in p0 to p100")

    def values() -> Iterator[Values]:
        for batch in clips.batches([column]):
            each = np.asarray(numbers_of(batch, column), np.float64)
            yield each[np.isfinite(each)] + 0.0  # -0.0 is 0.0

    found = percentile(values, Fraction(share[1]) / 100)
    if found is None:
        raise ValueError(f"--set {assignment}: no clip has a number in {column}")
    _log.info("%s is %s=%r, of %s clips that have a number there", assignment, key, found[0], f"{found[1]:,}")
    return f"{key}={found[0]!r}"


def _keys(values: Values) -> npt.NDArray[np.uint64]:
    """Integers in the same order: of positive numbers the sign bit is set, of negative ones all bits are turned."""
    bits = values.view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


def _values(keys: npt.NDArray[np.uint64]) -> Values:
    sign = np.uint64(1 << 63)
    return np.where(keys & sign, keys & ~sign, ~keys).view(np.float64)


def _within(keys: npt.NDArray[np.uint64], prefix: int, known: int) -> npt.NDArray[np.uint64]:
    """Those whose first `known` bits are `prefix`."""
    return keys if not known else keys[keys >> np.uint64(64 - known) == np.uint64(prefix)]


def _digits(keys: npt.NDArray[np.uint64], known: int) -> npt.NDArray[np.int64]:
    """The bits after the first `known`."""
    shifted = keys >> np.uint64(64 - known - _BITS)
    return (shifted & np.uint64((1 << _BITS) - 1)).astype(np.int64)
