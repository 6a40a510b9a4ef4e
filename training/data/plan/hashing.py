"""Randomness without a stream: a number that depends on its keys alone, not on what was drawn before it.

The mixing is splitmix64's (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014), in numpy's
wrapping 64-bit integers, so a plan is the same on every machine and with every version of numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def salted(*salt: int | str) -> int:
    """64 bits from a few numbers and words."""
    state = 0
    for part in salt:
        number = int.from_bytes(part.encode(), "little") if isinstance(part, str) else part
        while True:  # all of a number, in words of 64 bits
            state = _mix_int(state ^ (number & _MASK))
            number >>= 64
            if number in (0, -1):
                break
    return state


def draw(keys: Keys, *salt: int | str) -> Keys:
    """One 64-bit number for each key."""
    return mix(keys ^ np.uint64(salted(*salt)))


def draw_unit(keys: Keys, *salt: int | str) -> npt.NDArray[np.float64]:
    """One number in [0, 1) for each key."""
    return np.asarray((draw(keys, *salt) >> np.uint64(11)) * 2.0**-53)


def shuffled(count: int, *salt: int | str) -> npt.NDArray[np.int64]:
    """The numbers 0 .. count - 1 in an order that the salt alone decides."""
    return np.argsort(draw(np.arange(count, dtype=np.uint64), *salt), kind="stable")


def mix(values: Keys) -> Keys:
    """A bijection of 64-bit numbers under which neighbours have nothing in common."""
    mixed = values + np.uint64(_GOLDEN)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def keys_of(texts: npt.NDArray[Any]) -> Keys:
    """A key for each of `texts`, an array of fixed-width bytes (dtype S)."""
    count, width = len(texts), max(texts.dtype.itemsize, 1)
    padded = np.zeros((count, -(-width // 8) * 8), np.uint8)
    padded[:, :width] = np.ascontiguousarray(texts).view(np.uint8).reshape(count, -1)
    keys = np.zeros(count, np.uint64)
    for word in padded.view("<u8").T:
        # Zeros at the end are padding, which must not count: the same id is the same key in a wider column.
        keys = np.where(word == 0, keys, mix(keys ^ word))
    return keys


def keys_of_texts(texts: Sequence[str]) -> Keys:
    """A key for each text of whatever length; as `keys_of` has it, without an array as wide as the longest."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    keys = np.zeros(len(texts), np.uint64)
    for _, group in groupby(order, lambda index: len(texts[index]).bit_length()):
        indices = list(group)
        keys[indices] = keys_of(np.array([texts[index].encode() for index in indices]))
    return keys


def _mix_int(value: int) -> int:
    return int(mix(np.array([value], np.uint64))[0])
