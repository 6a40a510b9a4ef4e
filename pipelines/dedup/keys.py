"""Hashes of entries in order, and which of them are neighbours there, without more pairs than can be looked at.

How many sides two entries must share hangs on how crowded it is where they lie (as in Bawa, Condie and Ganesan 2005,
"LSH forest"): entries with the same first sides are a run, and runs that are too long are divided by further sides,
those of the moment last. So the work of a hash is bounded, whatever the clips are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PLACE_SIDES, MOMENT_SIDES = 30, 10
LEVELS = (18, 22, 26, PLACE_SIDES, PLACE_SIDES + MOMENT_SIDES)
"""Sides that entries of a run share: of what they show, and at last of the moment."""
PAIRS_OF_LEVEL = 1 << 20
"""Of two entries. The shortest runs of a level are taken, and the others divided."""
PLACE_APART, MOMENT_APART = 4, 4
"""Of all sides, so many may differ."""
NEIGHBOURS = 4
"""In runs that no side divides and that are still too long (a title that a thousand films begin with): of each entry,
beside that of the best row."""
ENTRIES_AT_A_TIME = 1 << 17

Numbers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """What entries would be if something were done to their pictures: these are looked for as well."""

    terms: npt.NDArray[np.float32]
    """(num_terms, key_terms), what of an entry's place is hashed."""
    turn: npt.NDArray[np.float32] | None = None
    """(num_terms + moment_terms,) to multiply an entry by before it is compared."""


def sorted_keys(
    entries: npt.NDArray[np.int8], num_terms: int, views: Sequence[View], draw: np.random.Generator
) -> Keys:
    """Sides in the highest bits, those of the moment last; behind them which view of which entry."""
    bits = _index_bits(len(entries) * len(views))
    planes = draw.standard_normal((views[0].terms.shape[1], PLACE_SIDES)).astype(np.float32)
    moments = draw.standard_normal((entries.shape[1] - num_terms, MOMENT_SIDES)).astype(np.float32)
    seen = [view.terms @ planes for view in views]
    turned = [moments if view.turn is None else moments * view.turn[num_terms:, None] for view in views]
    keys = np.empty((len(views), len(entries)), np.uint64)
    packed = np.zeros((min(ENTRIES_AT_A_TIME, len(entries)), 8), np.uint8)
    num_bytes = -(-LEVELS[-1] // 8)
    for start in range(0, len(entries), ENTRIES_AT_A_TIME):
        some = entries[start : start + ENTRIES_AT_A_TIME].astype(np.float32)
        shown, moment = some[:, :num_terms], some[:, num_terms:]
        for view, (place, turn) in enumerate(zip(seen, turned, strict=True)):
            sides = np.hstack([shown @ place > 0, moment @ turn > 0])
            packed[: len(some), :num_bytes] = np.packbits(sides, axis=1)
            index = np.arange(start, start + len(some), dtype=np.uint64) + np.uint64(view * len(entries))
            high = packed[: len(some)].view(">u8").ravel().astype(np.uint64) >> np.uint64(bits)
            keys[view, start : start + len(some)] = high << np.uint64(bits) | index
    flat = keys.ravel()
    flat.sort()
    return flat


class Hashes:
    """Hashes in order."""

    def __init__(self, keys: Keys, num_entries: int) -> None:
        self._keys = keys
        self._index = np.uint64((1 << _index_bits(len(keys))) - 1)
        self._most_sides = 64 - _index_bits(len(keys))
        self._num_entries = num_entries

    def of(self, positions: Numbers) -> tuple[Numbers, Numbers]:
        """The view and the entry at positions (P,)."""
        index = (self._keys[positions] & self._index).astype(np.int64)
        view = np.zeros_like(index)
        for first in range(self._num_entries, len(self._keys), self._num_entries):
            view += index >= first
        return view, index - view * self._num_entries

    def that_agree(self, ours: Numbers, theirs: Numbers) -> tuple[Numbers, Numbers]:
        """Those of P pairs of positions in which most of the other sides are the same, too."""
        apart = (self._keys[ours] ^ self._keys[theirs]) >> np.uint64(64 - self._most_sides)
        of_moment = np.uint64(max(0, self._most_sides - PLACE_SIDES))
        moment = np.bitwise_count(apart & ((np.uint64(1) << of_moment) - np.uint64(1)))
        agree = (moment <= MOMENT_APART) & (np.bitwise_count(apart >> of_moment) <= PLACE_APART)
        return ours[agree], theirs[agree]

    def neighbours(self, places: Numbers, rows: npt.NDArray[np.uint32]) -> Iterator[tuple[Numbers, Numbers]]:
        """Positions of two in one run: (P,) each."""
        left = np.arange(len(self._keys))
        for level in LEVELS:
            starts, lengths = self._runs(left, level)
            short = lengths <= _most_of(lengths)
            yield from _all_pairs(left, starts[short], lengths[short])
            left = left[np.repeat(~short, lengths)]
        starts, lengths = self._runs(left, LEVELS[-1])
        if len(left):
            view, entry = self.of(left)
            standing = (places[rows[entry]] << 2 | view) << 32 | np.arange(len(left))
            best = np.minimum.reduceat(standing, starts) & 0xFFFFFFFF
            yield left, left[np.repeat(best, lengths)]
        yield from _all_pairs(left, starts, lengths, NEIGHBOURS)

    def _runs(self, left: Numbers, sides: int) -> tuple[Numbers, Numbers]:
        """Where runs start in `left`, and how long they are."""
        if not len(left):
            return left, left
        keys = self._keys[left] >> np.uint64(64 - min(sides, self._most_sides))
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        return starts, np.diff(np.append(starts, len(keys)))


def _most_of(lengths: Numbers) -> int:
    """The longest run that is taken as a whole."""
    counts = np.bincount(lengths)
    sizes = np.arange(len(counts))
    pairs = np.cumsum(counts * (sizes * (sizes - 1) // 2))
    return int(np.searchsorted(pairs, PAIRS_OF_LEVEL, side="right")) - 1


def _all_pairs(
    left: Numbers, starts: Numbers, lengths: Numbers, most_apart: int | None = None
) -> Iterator[tuple[Numbers, Numbers]]:
    """Of runs within `left`, or of each only those with as many next to it."""
    after = np.maximum(lengths - 1, 0)
    first = _ranges(starts, after)
    room = np.repeat(after, after) - _ranges(np.zeros_like(after), after)
    for distance in range(1, 1 + min(int(lengths.max(initial=1)) - 1, most_apart or len(left))):
        some = room >= distance
        first, room = first[some], room[some]
        yield left[first], left[first + distance]


def _ranges(starts: Numbers, lengths: Numbers) -> Numbers:
    """`range(start, start + length)` one after the other."""
    ends = np.cumsum(lengths)
    numbers: Numbers = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
    return numbers


def _index_bits(count: int) -> int:
    return max(1, int(count).bit_length())
