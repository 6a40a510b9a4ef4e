"""Finds rows that may be alike without comparing all pairs: those with an entry in the same place of a hash table.

Each entry is hashed many times. A hash is the sides of some random planes that it lies on (Charikar 2002, "Similarity
estimation techniques from rounding algorithms"): entries at an angle of a have each side in common with probability
1 - a / pi. Entries of one hash are a run of a sorted array, so that a hash takes 16 bytes an entry and no table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.dedup.spool import Spool

NEIGHBOURS = 16
"""Entries of a run that each one is paired with. A longer run (a thousand clips of one camera) is divided by what its
entries say of the moment; where that is the same, too (a title that a thousand films begin with), each entry is paired
with so many and with the best row."""
MOMENT_SIDES = 12
"""By which long runs are divided."""
ENTRIES_AT_A_TIME = 1 << 18
_SEED = 20240607

Entries = npt.NDArray[np.int64]
Pairs = npt.NDArray[np.uint64]
"""(P,) of two rows each, the lower one in the higher half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashing:
    """How entries are found that are near one another."""

    num_terms: int
    """Of an entry, of what it shows."""
    moment_terms: int
    """Behind them, of what it differs by from the rest of its clip."""
    key_terms: int
    """Of the former, the first so many are hashed."""
    sides: int
    """Of a hash: so many bits."""
    hashes: int
    least_cosine: float
    """Of two entries in all terms of what they show: most of those that share a hash are not near one another."""


def candidate_pairs(
    spool: Spool, places: npt.NDArray[np.int64], hashing: Hashing, *, first_other: int | None
) -> Iterator[Pairs]:
    """New pairs, hash by hash. `places` (N,) says how good each row is, 0 for the best.

    With `first_other` only pairs of a row before it and one from it on.
    """
    draw = np.random.default_rng(_SEED)
    known: Pairs = np.zeros(0, np.uint64)
    rows, entries = spool.rows(), spool.entries()
    for _ in range(hashing.hashes):
        planes = draw.standard_normal((hashing.key_terms, hashing.sides)).astype(np.float32)
        moments = draw.standard_normal((hashing.moment_terms, MOMENT_SIDES)).astype(np.float32)
        keys = _keys(entries, planes, moments)
        order = np.argsort(keys)
        keys = keys[order]
        found = [
            _pairs(rows[ours], rows[theirs], first_other)
            for some in _neighbours(keys, order, rows, places)
            for ours, theirs in _near(entries[:, : hashing.num_terms], order, *some, hashing.least_cosine)
        ]
        new = np.setdiff1d(np.unique(np.concatenate([np.zeros(0, np.uint64), *found])), known, assume_unique=True)
        known = np.union1d(known, new)
        yield new


def rows_of_pairs(pairs: Pairs) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The lower and the higher row of each, (P,)."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _keys(
    entries: npt.NDArray[np.int8], planes: npt.NDArray[np.float32], moments: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint64]:
    """The sides of the planes as bits of a number, the first one highest and those of the moment last: (E,)."""
    num_sides = planes.shape[1] + moments.shape[1]
    num_bytes = -(-num_sides // 8)
    first_moment = entries.shape[1] - len(moments)
    packed = np.zeros((len(entries), 8), np.uint8)
    for start in range(0, len(entries), ENTRIES_AT_A_TIME):
        some = entries[start : start + ENTRIES_AT_A_TIME].astype(np.float32)
        sides = np.hstack([some[:, : len(planes)] @ planes > 0, some[:, first_moment:] @ moments > 0])
        packed[start : start + len(some), 8 - num_bytes :] = np.packbits(sides, axis=1)
    keys: npt.NDArray[np.uint64] = packed.view(">u8").ravel().astype(np.uint64)
    return keys >> np.uint64(8 * num_bytes - num_sides)


def _neighbours(
    keys: npt.NDArray[np.uint64], order: Entries, rows: npt.NDArray[np.uint32], places: npt.NDArray[np.int64]
) -> Iterator[tuple[Entries, Entries]]:
    """Positions in `order`, which is that of the `keys`, of two entries in the same run: (P,) each."""
    if not len(keys):
        return
    coarse = _lengths(keys >> np.uint64(MOMENT_SIDES))
    whole = keys >> np.uint64(MOMENT_SIDES) << np.uint64(MOMENT_SIDES)
    runs = np.where(np.repeat(coarse > NEIGHBOURS + 1, coarse), keys, whole)
    lengths = _lengths(runs)
    is_long = lengths > NEIGHBOURS + 1
    long, sizes = np.flatnonzero(np.repeat(is_long, lengths)), lengths[is_long]
    if len(long):
        best = np.minimum.reduceat(places[rows[order[long]]] << 32 | long, np.cumsum(sizes) - sizes) & 0xFFFFFFFF
        yield long, np.repeat(best, sizes)
    left = np.flatnonzero(np.repeat(lengths > 1, lengths))
    for distance in range(1, NEIGHBOURS + 1):
        left = left[left + distance < len(runs)]
        left = left[runs[left] == runs[left + distance]]
        if not len(left):
            return
        yield left, left + distance


def _lengths(runs: npt.NDArray[np.uint64]) -> Entries:
    """Of runs of equal values."""
    starts = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1]]))
    return np.diff(np.append(starts, len(runs)))


def _near(
    entries: npt.NDArray[np.int8], order: Entries, ours: Entries, theirs: Entries, least_cosine: float
) -> Iterator[tuple[Entries, Entries]]:
    """Of two entries each, by their positions in an order, those that are near one another."""
    for start in range(0, len(ours), ENTRIES_AT_A_TIME):
        first, second = (order[some[start : start + ENTRIES_AT_A_TIME]] for some in (ours, theirs))
        one, other = entries[first].astype(np.float32), entries[second].astype(np.float32)
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        near = np.einsum("et,et->e", one, other) >= least_cosine * lengths
        yield first[near], second[near]


def _pairs(ours: npt.NDArray[np.uint32], theirs: npt.NDArray[np.uint32], first_other: int | None) -> Pairs:
    low, high = np.minimum(ours, theirs), np.maximum(ours, theirs)
    wanted = low != high if first_other is None else (low < first_other) & (high >= first_other)
    pairs: Pairs = np.unique(low[wanted].astype(np.uint64) << np.uint64(32) | high[wanted].astype(np.uint64))
    return pairs
