"""Finds rows that may be alike without comparing all pairs: those with an entry in the same place of a hash table.

Each entry is hashed many times. A hash is the sides of some random planes that it lies on (Charikar 2002, "Similarity
estimation techniques from rounding algorithms"): entries at an angle of a have each side in common with probability
1 - a / pi.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.dedup.keys import Hashes, Numbers, View, sorted_keys
from pipelines.dedup.spool import UNIT, Spool

AT_A_TIME = 1 << 17
_SEED = 20240607

Pairs = npt.NDArray[np.uint64]
"""(P,) of two rows each, the lower one in the higher half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashing:
    """How entries are found that are near one another."""

    num_terms: int
    """Of an entry, of what it shows."""
    moment_terms: int
    """Behind them, of what it differs by from the rest of its clip; nothing but zeros where nothing changes."""
    hashes: int
    least_cosine: float
    """Of two entries in all terms of what they show: most of those that share a hash are not near one another."""
    least_moment: float = -1.0
    """The same in those of the moment, where both have one."""
    least_still: float = -1.0
    """In what they show, where neither has."""


def candidate_pairs(
    spool: Spool,
    places: Numbers,
    hashing: Hashing,
    views: Callable[[int], Sequence[View]],
    *,
    first_other: int | None,
) -> Iterator[Pairs]:
    """New pairs, hash by hash. `places` (N,) says how good each row is, 0 for the best.

    `views` says for each hash how entries are looked at, the first time as they are. With `first_other` only pairs of a
    row before it and one from it on.
    """
    draw = np.random.default_rng(_SEED)
    known: Pairs = np.zeros(0, np.uint64)
    rows, entries = spool.rows(), spool.entries()
    for number in range(hashing.hashes):
        seen = views(number)
        keys = Hashes(sorted_keys(entries, hashing.num_terms, seen, draw), len(entries))
        found = [known[:0]]
        for ours, theirs in _in_blocks(keys.neighbours(places, rows)):
            ours, theirs = keys.that_agree(ours, theirs)
            found.append(_pairs(rows, entries, hashing, seen, keys.of(ours), keys.of(theirs), first_other))
        new = _without(distinct(np.concatenate(found)), known)
        known = np.sort(np.concatenate([known, new]))
        yield new


def rows_of_pairs(pairs: Pairs) -> tuple[Numbers, Numbers]:
    """The lower and the higher row of each, (P,)."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def pairs_of_rows(low: npt.NDArray[np.integer], high: npt.NDArray[np.integer]) -> Pairs:
    """The lower and the higher row of each, (P,), as one number."""
    pairs: Pairs = low.astype(np.uint64) << np.uint64(32) | high.astype(np.uint64)
    return pairs


def distinct(pairs: Pairs) -> Pairs:
    """In order, each once. (`numpy.unique` hashes, which takes four times as long.)"""
    pairs = np.sort(pairs)
    once: Pairs = pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])[: len(pairs)]]
    return once


def _pairs(
    rows: npt.NDArray[np.uint32],
    entries: npt.NDArray[np.int8],
    hashing: Hashing,
    views: Sequence[View],
    one: tuple[Numbers, Numbers],
    other: tuple[Numbers, Numbers],
    first_other: int | None,
) -> Pairs:
    """Of views of two entries, those that are not of one row, are near one another, and one of them is as it is."""
    low, high = np.minimum(rows[one[1]], rows[other[1]]), np.maximum(rows[one[1]], rows[other[1]])
    wanted = (low != high) & ((one[0] == 0) | (other[0] == 0))
    if first_other is not None:
        wanted &= (low < first_other) & (high >= first_other)
    chosen = np.flatnonzero(wanted)
    view, first, second = (one[0] + other[0])[chosen], one[1][chosen], other[1][chosen]
    split = hashing.num_terms
    place = _cosines(entries[:, :split], first, second, view, [_part(each, slice(split)) for each in views])
    near = np.flatnonzero(place >= hashing.least_cosine)
    chosen, place, view, first, second = chosen[near], place[near], view[near], first[near], second[near]
    if hashing.moment_terms:
        part = slice(split, None)
        moment = _cosines(entries[:, part], first, second, view, [_part(each, part) for each in views])
        moves = [entries[each, split:].any(axis=1) for each in (first, second)]
        alike = (moment >= hashing.least_moment) | ~(moves[0] & moves[1])
        chosen = chosen[alike & ((place >= hashing.least_still) | moves[0] | moves[1])]
    return distinct(pairs_of_rows(low[chosen], high[chosen]))


def _part(view: View, part: slice) -> npt.NDArray[np.float32] | None:
    return None if view.turn is None else view.turn[part]


def _cosines(
    entries: npt.NDArray[np.int8],
    first: Numbers,
    second: Numbers,
    view: Numbers,
    turns: Sequence[npt.NDArray[np.float32] | None],
) -> npt.NDArray[np.float32]:
    """Of entries (P,) each, one of which is seen in a view."""
    one, other = entries[first].astype(np.float32), entries[second].astype(np.float32)
    for number, turn in enumerate(turns):
        if turn is not None:
            one[view == number] *= turn
    cosines: npt.NDArray[np.float32] = np.einsum("et,et->e", one, other) / np.float32(UNIT**2)
    return cosines


def _in_blocks(found: Iterator[tuple[Numbers, Numbers]]) -> Iterator[tuple[Numbers, Numbers]]:
    """The same in arrays of about `AT_A_TIME`."""
    waiting: list[tuple[Numbers, Numbers]] = []
    for ours, theirs in found:
        for start in range(0, len(ours), AT_A_TIME):
            waiting.append((ours[start : start + AT_A_TIME], theirs[start : start + AT_A_TIME]))
            if sum(len(each) for each, _ in waiting[-64:]) >= AT_A_TIME or len(waiting) >= 512:
                yield np.concatenate([one for one, _ in waiting]), np.concatenate([other for _, other in waiting])
                waiting = []
    if waiting:
        yield np.concatenate([one for one, _ in waiting]), np.concatenate([other for _, other in waiting])


def _without(pairs: Pairs, known: Pairs) -> Pairs:
    """Those not among the known ones; both in order."""
    if not len(known):
        return pairs
    at = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    new: Pairs = pairs[known[at] != pairs]
    return new
