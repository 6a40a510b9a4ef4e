"""Finds rows that may be alike without comparing all pairs: those with an entry in the same place of a hash table.

Each entry is hashed many times. A hash is the sides of some random planes that it lies on (Charikar 2002, "Similarity
estimation techniques from rounding algorithms"): entries at an angle of a have each side in common with probability
1 - a / pi. Entries of one hash are a run of a sorted array, so that a hash takes 16 bytes an entry and no table.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipelines.dedup.spool import Spool

NEIGHBOURS = 16
"""Entries of a run that each one is paired with: in a long run (a title that a thousand films begin with) those whose
further sides agree, and the best row of the run."""
_MORE_SIDES = 24
"""By which a run is sorted within."""
_SEED = 20240607

Pairs = npt.NDArray[np.uint64]
"""(P,) of two rows each, the lower one in the higher half."""


def candidate_pairs(
    spool: Spool, places: npt.NDArray[np.int64], *, num_terms: int, sides: int, hashes: int, first_other: int | None
) -> Iterator[Pairs]:
    """New pairs, hash by hash. `places` (N,) says how good each row is, 0 for the best.

    With `first_other` only pairs of a row before it and one from it on.
    """
    draw = np.random.default_rng(_SEED)
    known: Pairs = np.zeros(0, np.uint64)
    rows = spool.rows()
    by_place = np.argsort(places)
    for _ in range(hashes):
        planes = draw.standard_normal((num_terms, sides + _MORE_SIDES)).astype(np.float32)
        keys = np.concatenate([np.zeros(0, np.uint64), *(_keys(some, planes) for some in spool.entries())])
        order = np.argsort(keys)
        runs = keys[order] >> np.uint64(_MORE_SIDES)
        del keys
        found = [_pairs(ours, theirs, first_other) for ours, theirs in _neighbours(runs, rows[order], places, by_place)]
        new = np.setdiff1d(np.unique(np.concatenate([np.zeros(0, np.uint64), *found])), known, assume_unique=True)
        known = np.union1d(known, new)
        yield new


def rows_of_pairs(pairs: Pairs) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The lower and the higher row of each, (P,)."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _keys(vectors: npt.NDArray[np.float32], planes: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    """The sides of the planes as bits of a number, the first one highest: (e,)."""
    sides = vectors @ planes > 0
    packed = np.zeros((len(vectors), 8), np.uint8)
    bits = np.packbits(np.pad(sides, ((0, 0), (64 - sides.shape[1], 0))), axis=1)
    packed[:, : bits.shape[1]] = bits
    keys: npt.NDArray[np.uint64] = packed.view(">u8").ravel().astype(np.uint64)
    return keys


def _neighbours(
    runs: npt.NDArray[np.uint64],
    rows: npt.NDArray[np.uint32],
    places: npt.NDArray[np.int64],
    by_place: npt.NDArray[np.int64],
) -> Iterator[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]]:
    """Rows side by side of which an entry is in the same run."""
    if not len(runs):
        return
    starts = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1]]))
    lengths = np.diff(np.append(starts, len(runs)))
    long = np.repeat(lengths > NEIGHBOURS + 1, lengths)
    if long.any():
        best = by_place[np.minimum.reduceat(places[rows], starts)].astype(np.uint32)
        yield rows[long], np.repeat(best, lengths)[long]
    left = np.flatnonzero(np.repeat(lengths > 1, lengths))
    for distance in range(1, NEIGHBOURS + 1):
        left = left[left + distance < len(runs)]
        left = left[runs[left] == runs[left + distance]]
        if not len(left):
            return
        yield rows[left], rows[left + distance]


def _pairs(ours: npt.NDArray[np.uint32], theirs: npt.NDArray[np.uint32], first_other: int | None) -> Pairs:
    low, high = np.minimum(ours, theirs), np.maximum(ours, theirs)
    wanted = low != high if first_other is None else (low < first_other) & (high >= first_other)
    pairs: Pairs = np.unique(low[wanted].astype(np.uint64) << np.uint64(32) | high[wanted].astype(np.uint64))
    return pairs
