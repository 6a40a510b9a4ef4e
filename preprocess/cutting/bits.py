"""Bits of a NAL unit's payload, where fields have no bytes of their own: read, and overwritten in place.

Fields: ITU-T H.264, sections 7.2 (`u`), 9.1 (`ue`, `se`) and 7.4.1 (the bytes that prevent start codes).
"""

from __future__ import annotations

import re

_PREVENTED = re.compile(rb"\x00\x00\x03(?=[\x00-\x03]|$)")
_START_LIKE = re.compile(rb"\x00\x00(?=[\x00-\x03])")
_LONGEST = 32
"""Bits of the longest number that a field may hold."""


def unescaped(nal: bytes) -> bytes:
    """A NAL unit without the bytes that keep start codes out of it."""
    return _PREVENTED.sub(b"\0\0", nal)


def escaped(raw: bytes) -> bytes:
    """The NAL unit again."""
    # a third zero begins a pair of its own behind the byte that was put in, which the search goes on with
    return _START_LIKE.sub(b"\0\0\3", raw)


class Bits:
    """A reader over bytes, whose place is `at`, in bits.

    Raises:
        ValueError: the bytes end, or a number is longer than any may be.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.at = at
        self._value = int.from_bytes(data, "big")
        self._count = 8 * len(data)

    def u(self, count: int) -> int:
        """An unsigned number of so many bits."""
        if self.at + count > self._count:
            raise ValueError(f"{count} bits at {self.at} of {self._count}")
        self.at += count
        return self._value >> (self._count - self.at) & ((1 << count) - 1)

    def ue(self) -> int:
        """An unsigned Exp-Golomb number."""
        zeros = 0
        while self.u(1) == 0:
            zeros += 1
            if zeros > _LONGEST:
                raise ValueError(f"a number of over {_LONGEST} bits at {self.at}")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed one."""
        number = self.ue()
        return (number + 1) // 2 if number & 1 else -(number // 2)

    def put(self, at: int, count: int, value: int) -> None:
        """Overwrite `count` bits at a place; the reader stays where it is."""
        shift = self._count - at - count
        mask = ((1 << count) - 1) << shift
        self._value = self._value & ~mask | (value % (1 << count)) << shift

    def slice(self, start: int, end: int) -> str:
        """The bits of [start, end) as text of zeros and ones."""
        count = end - start
        return f"{self._value >> (self._count - end) & ((1 << count) - 1):0{count}b}" if count else ""

    @property
    def size(self) -> int:
        """How many bits there are."""
        return self._count

    def to_bytes(self) -> bytes:
        """All of them, with what was put."""
        return self._value.to_bytes(self._count // 8, "big")


def ue_text(number: int) -> str:
    """An Exp-Golomb number as text of zeros and ones."""
    text = f"{number + 1:b}"
    return "0" * (len(text) - 1) + text
