"""Which rows repeat which, of the candidates: pairs of better rows come first, and what follows from them is spared.

A thousand copies of one clip are half a million pairs, of which the thousand with the best one say all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipelines.dedup.candidates import Pairs, candidate_pairs, distinct, pairs_of_rows, rows_of_pairs
from pipelines.dedup.groups import best_of, groups_of
from pipelines.dedup.likeness import Likeness
from pipelines.dedup.spool import Spool
from pipelines.progress import LINE_SECONDS

PAIRS_AT_A_TIME = 1 << 14
IN_VAIN = 16
"""Look-alikes that a row is compared with, and is not the same as, before it and another such row are compared no more:
a street that a camera looks at for years would take years."""

_log = logging.getLogger("clipmill")
Rows = npt.NDArray[np.int64]


def leaders_of(likeness: Likeness, spool: Spool, order: Rows, first_other: int | None) -> Rows:
    """For each of N rows the best one of its group, (N,), or -1; `order` has all rows from the best to the worst.

    With `first_other`, for each row before it the best one from it on that it repeats.
    """
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    found = _Found(likeness, spool, places, first_other)
    said = time.monotonic()
    for number, pairs in enumerate(found.candidates(), 1):
        found.compare(pairs)
        if time.monotonic() - said >= LINE_SECONDS:
            _log.info("%d/%d hashes", number, likeness.hashing.hashes)
            said = time.monotonic()
    low, high = found.pairs()
    if first_other is not None:
        return best_of(low, high, places, first_other)
    leaders = groups_of(low, high, order)
    found.compare(_left_over(leaders, low, high, places))
    return groups_of(*found.pairs(), order)


class _Found:
    """The pairs of rows that repeat one another."""

    def __init__(self, likeness: Likeness, spool: Spool, places: Rows, first_other: int | None) -> None:
        self._likeness, self._spool, self._places, self._first_other = likeness, spool, places, first_other
        self._pairs: list[tuple[Rows, Rows]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        self._best = places.copy()
        """Place of the best row that each is known to repeat; of its own, where it is of none or itself the best."""
        if first_other is not None:
            self._best[:first_other] = len(places)
        self._by_place = np.argsort(places)
        self._vain = np.zeros(len(places), np.int32)

    def candidates(self) -> Iterator[Pairs]:
        """New pairs, hash by hash."""
        hashing, views = self._likeness.hashing, self._likeness.views
        return candidate_pairs(self._spool, self._places, hashing, views, first_other=self._first_other)

    def pairs(self) -> tuple[Rows, Rows]:
        """The lower and the higher row of each, (P,)."""
        return np.concatenate([low for low, _ in self._pairs]), np.concatenate([high for _, high in self._pairs])

    def compare(self, pairs: Pairs) -> None:
        """Those that nothing is known of yet, the ones with the best rows first."""
        low, high = rows_of_pairs(pairs)
        better = (
            self._places[high]
            if self._first_other is not None
            else np.minimum(*(self._places[each] for each in (low, high)))
        )
        first = np.argsort(better, kind="stable")
        low, high = low[first], high[first]
        for start in range(0, len(low), PAIRS_AT_A_TIME):
            ours, theirs = low[start : start + PAIRS_AT_A_TIME], high[start : start + PAIRS_AT_A_TIME]
            open_ = self._is_open(ours, theirs)
            ours, theirs = ours[open_], theirs[open_]
            same = self._likeness.same(self._spool, ours, theirs)
            self._pairs.append((ours[same], theirs[same]))
            for rows in (ours[~same], theirs[~same]):
                np.add.at(self._vain, rows, 1)
            self._remember(ours[same], theirs[same])

    def _is_open(self, low: Rows, high: Rows) -> npt.NDArray[np.bool_]:
        tried = (self._vain[low] >= IN_VAIN) & (self._vain[high] >= IN_VAIN)
        if self._first_other is not None:
            better: npt.NDArray[np.bool_] = ~tried & (self._places[high] < self._best[low])
            return better
        leads = self._best[self._by_place[self._best[low]]] == self._best[low]
        is_open: npt.NDArray[np.bool_] = ~tried & ~((self._best[low] == self._best[high]) & leads)
        return is_open

    def _remember(self, low: Rows, high: Rows) -> None:
        np.minimum.at(self._best, low, self._places[high])
        if self._first_other is None:
            np.minimum.at(self._best, high, self._places[low])


def _left_over(leaders: Rows, low: Rows, high: Rows, places: Rows) -> Pairs:
    """Of rows in no group that repeat the same row, each with the best of them: these were not compared."""
    ours, theirs = np.concatenate([low, high]), np.concatenate([high, low])
    alone = (leaders[ours] < 0) & (leaders[theirs] >= 0)
    ours, theirs = ours[alone], theirs[alone]
    first = np.lexsort([places[ours], theirs])
    ours, theirs = ours[first], theirs[first]
    starts = np.flatnonzero(np.concatenate([[True], theirs[1:] != theirs[:-1]])[: len(theirs)])
    best = np.repeat(ours[starts], np.diff(np.append(starts, len(ours))))
    one, other = np.minimum(ours, best), np.maximum(ours, best)
    chosen = one < other
    return distinct(pairs_of_rows(one[chosen], other[chosen]))
