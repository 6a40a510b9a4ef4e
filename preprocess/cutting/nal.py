"""NAL units of H.264 and H.265: taken out of packets and headers of either form, and put behind start codes again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from preprocess.cutting.refusal import CannotCopy

_START = b"\0\0\0\1"


def is_annex_b(header: bytes) -> bool:
    """Whether units stand behind start codes, by the codec's header; else they stand behind their lengths."""
    return header.startswith((b"\0\0\1", _START))


def annex_b(units: Iterable[bytes]) -> bytes:
    """Units behind start codes, which FFmpeg's MP4 writer turns into lengths, and their header into a box."""
    return b"".join(_START + unit for unit in units)


def split(data: bytes, length_bytes: int) -> list[bytes]:
    """The units of a packet behind lengths of so many bytes; 0 for start codes.

    Raises:
        CannotCopy: the lengths do not add up.
    """
    if length_bytes == 0:
        # zeros before a start code belong to it, or are padding; no unit ends in one
        return [unit for part in data.split(b"\0\0\1") if (unit := part.rstrip(b"\0"))]
    units, at = [], 0
    while at < len(data):
        end = at + length_bytes + int.from_bytes(data[at : at + length_bytes], "big")
        if end > len(data):
            raise CannotCopy("a packet whose parts are longer than it")
        if end > at + length_bytes:
            units.append(data[at + length_bytes : end])
        at = end
    return units


def avcc(header: bytes) -> tuple[int, list[bytes]]:
    """Of an `avcC` box: bytes of a length, and the parameter sets (ISO/IEC 14496-15, section 5.3.3.1).

    Raises:
        CannotCopy: it is none.
    """
    if len(header) < 7 or header[0] != 1:
        raise CannotCopy("no H.264 header")
    sets, at = [], 5
    for mask in (31, 255):
        count, at = header[at] & mask if at < len(header) else 0, at + 1
        found, at = _sets(header, at, count)
        sets += found
    return (header[4] & 3) + 1, sets


def hvcc(header: bytes) -> tuple[int, list[bytes]]:
    """The same of an `hvcC` box (section 8.3.3.1).

    Raises:
        CannotCopy: it is none.
    """
    if len(header) < 23 or header[0] != 1:
        raise CannotCopy("no H.265 header")
    sets, at = [], 23
    for _ in range(header[22]):
        found, at = _sets(header, at + 3, int.from_bytes(header[at + 1 : at + 3], "big"))
        sets += found
    return (header[21] & 3) + 1, sets


def _sets(header: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    found = []
    for _ in range(count):
        end = at + 2 + int.from_bytes(header[at : at + 2], "big")
        if end > len(header):
            raise CannotCopy("a header whose parts are longer than it")
        found.append(header[at + 2 : end])
        at = end
    return found, at


def messages(unit: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each message in an SEI payload, from behind the unit's own header, without escapes."""
    at = 0
    while at + 2 <= len(unit) and unit[at:] != b"\x80":
        numbers = []
        for _ in range(2):
            number = 0
            while at < len(unit) and unit[at] == 255:
                number, at = number + 255, at + 1
            if at >= len(unit):
                return
            numbers.append(number + unit[at])
            at += 1
        yield numbers[0], unit[at : at + numbers[1]]
        at += numbers[1]
