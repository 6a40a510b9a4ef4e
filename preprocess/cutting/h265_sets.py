"""Other numbers for an encoder's parameter sets of H.265, so that they may stand in one header with the source's.

Encoders number them from 0, and slices name them in bits that have no room for more. But of the codes of numbers, that
of 0 has one bit and those of 15 to 30 have nine (ITU-T H.265, section 9.2): with such a number, all that follows moves
by one whole byte, and nothing of it has to be understood.
"""

from __future__ import annotations

from collections.abc import Sequence

from preprocess.cutting.bits import Bits, escaped, unescaped
from preprocess.cutting.refusal import CannotCopy

VIDEO, SEQUENCE, PICTURE = 32, 33, 34
"""Types of units (table 7-1): parameter sets of the video, of sequences and of pictures."""
KEYS = range(16, 24)
_NUMBERS = range(15, 31)
_SEQUENCE_NUMBER = 15
"""Sequences are numbered to 15."""
_HEADER_BITS = 16
_LEVEL_BITS = 96
"""Of `profile_tier_level` of a video without layers in time (section 7.3.3)."""


def type_of(unit: bytes) -> int:
    """Of a unit."""
    return unit[0] >> 1 & 63


class OtherNumbers:
    """Numbers that a source's sets do not have, for those of an encoder."""

    def __init__(self, sets: Sequence[bytes]) -> None:
        """`sets`: the source's.

        Raises:
            CannotCopy: all numbers are taken, or a set is broken.
        """
        try:
            pictures = [Bits(unescaped(unit), _HEADER_BITS) for unit in sets if type_of(unit) == PICTURE]
            taken = {bits.ue() for bits in pictures}
            sequences = {bits.ue() for bits in pictures}
            videos = {unescaped(unit)[2] >> 4 for unit in sets if type_of(unit) in (VIDEO, SEQUENCE)}
        except (ValueError, IndexError) as error:
            raise CannotCopy(f"a broken H.265 header: {error}") from error
        picture = next((number for number in _NUMBERS if number not in taken), None)
        video = next((number for number in range(15, 0, -1) if number not in videos), None)
        if picture is None or video is None or _SEQUENCE_NUMBER in sequences:
            raise CannotCopy("all numbers of parameter sets are taken")
        self._picture, self._video = picture, video

    def of(self, unit: bytes) -> bytes:
        """An encoder's parameter set or slice with them.

        Raises:
            CannotCopy: it has another number than 0, or layers in time.
        """
        kind, raw = type_of(unit), unescaped(unit)
        if kind in (VIDEO, SEQUENCE):
            if raw[2] >> 4 or (kind == SEQUENCE and raw[2] & 0b1110):
                raise CannotCopy("an encoder that numbers its sets otherwise")
            raw = raw[:2] + bytes([raw[2] | self._video << 4]) + raw[3:]
            if kind == SEQUENCE:
                raw = _numbered(raw, _HEADER_BITS + 8 + _LEVEL_BITS, _SEQUENCE_NUMBER)
        elif kind == PICTURE:
            raw = _numbered(_numbered(raw, _HEADER_BITS, self._picture), _HEADER_BITS + 9, _SEQUENCE_NUMBER)
        else:
            raw = _numbered(raw, _HEADER_BITS + (2 if kind in KEYS else 1), self._picture)
        return escaped(raw)


def _numbered(raw: bytes, at: int, number: int) -> bytes:
    """With that number, of nine bits, in place of the 0 that one bit at `at` says; one byte longer."""
    end = at // 8 + 1
    behind = 8 * end - at - 1
    bits = int.from_bytes(raw[:end], "big")
    if not bits >> behind & 1:
        raise CannotCopy("an encoder that numbers its sets otherwise")
    before, after = bits >> behind + 1, bits & (1 << behind) - 1
    return ((before << 9 | number + 1) << behind | after).to_bytes(end + 1, "big") + raw[end:]
