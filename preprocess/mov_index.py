"""What the tables of an MP4 or MOV file would take in memory, told from some of their numbers before FFmpeg reads them.

An edit list can play the same frames again and again, and FFmpeg lists each of them, with those that lead up to it: a
list of 100,000 edits, 1.2 MB, became two gigabytes. A table of frames can say that it has a billion of one byte each.

Boxes: ISO/IEC 14496-12, sections 8.6.6 (`elst`), 8.7.3 (`stsz`), 8.6.2 (`stss`), 8.4.2 (`mdhd`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import IO, NamedTuple

from preprocess.errors import MediaError

MAX_REPEATS = 16
"""How often an edit list may play a film through. People loop a few seconds some times over."""
_ALLOWED_ANYHOW = 10_000
"""Frames that may be listed whatever the film has."""
_MAX_BOXES = 4096
_FIRST = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"udta", b"uuid"})
_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"})


class _Box(NamedTuple):
    kind: bytes
    start: int
    """Of its content."""
    end: int


def check_repeats(listed: int, frames: int) -> None:
    """See that a film of so many frames is not listed far more often.

    Raises:
        MediaError: `too_large`.
    """
    if frames and listed > MAX_REPEATS * frames + _ALLOWED_ANYHOW:
        raise MediaError("too_large", f"its edit list makes {listed} of {frames} frames")


def check_mov_index(file: IO[bytes]) -> None:
    """See that the tables of the file's tracks are of a sane size, where it is of this family; it is read in places.

    Raises:
        MediaError: `too_large`.
        OSError: it cannot be read.
    """
    size = file.seek(0, 2)
    try:
        tables: dict[bytes, _Box] = {}
        for box in _boxes(file, size):
            if box.kind == b"trak":  # each has tables of its own, and those of the one before are complete
                _check_track(file, tables, size)
                tables = {kind: tables[kind] for kind in tables if kind == b"mvhd"}
            tables.setdefault(box.kind, box)
        _check_track(file, tables, size)
    except (struct.error, ZeroDivisionError):
        pass  # a broken table: FFmpeg meets it, too
    finally:
        file.seek(0)


def _boxes(file: IO[bytes], size: int) -> Iterator[_Box]:
    """The file's boxes, each before those within it."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > size:
            return
        length, kind = struct.unpack(">I4s", _read(file, at, 8))
        start = at + 8
        if length == 1:
            (length,), start = struct.unpack(">Q", _read(file, start, 8)), start + 8
        end = min(at + length, size) if length else size
        if end < start or (at == 0 and kind not in _FIRST):
            return
        yield _Box(kind, start, end)
        at = start if kind in _PARENTS else end


def _check_track(file: IO[bytes], tables: dict[bytes, _Box], file_bytes: int) -> None:
    if b"stsz" not in tables:
        return
    (frames,) = struct.unpack(">I", _read(file, tables[b"stsz"].start + 8, 4))
    if frames > file_bytes:
        raise MediaError("too_large", f"{frames} frames in {file_bytes} bytes")
    if not tables.keys() >= {b"elst", b"mdhd", b"mvhd"}:
        return
    (version,) = _read(file, tables[b"elst"].start, 1)
    edits = _entries(file, tables[b"elst"], ">QqI" if version else ">IiI", least=MAX_REPEATS + 1)
    lengths = [length for length, begin, _ in edits if begin >= 0]  # others show nothing
    clock, _ = _clock(file, tables[b"mvhd"])
    rate, duration = _clock(file, tables[b"mdhd"])
    films_played = sum(length / clock / (duration / rate) if length else 1 for length in lengths)
    leads = len(lengths) * _longest_lead(file, tables.get(b"stss"), frames) if lengths else 0
    check_repeats(round(films_played * frames) + leads, frames)


def _clock(file: IO[bytes], header: _Box) -> tuple[int, int]:
    """Ticks a second, and the duration in ticks, of an `mvhd` or `mdhd`."""
    (version,) = _read(file, header.start, 1)
    layout = struct.Struct(">20xIQ" if version else ">12xII")
    rate, duration = layout.unpack(_read(file, header.start, layout.size))
    return rate, duration


def _longest_lead(file: IO[bytes], key_frames: _Box | None, frames: int) -> int:
    """How many frames may have to be decoded to show one: those from the key frame before it on."""
    if key_frames is None:
        return 1
    numbers = [1, *(number for (number,) in _entries(file, key_frames, ">I")), frames + 1]
    return max(after - before for before, after in pairwise(numbers))


def _entries(file: IO[bytes], table: _Box, layout: str, *, least: int = 0) -> list[tuple[int, ...]]:
    """The entries of a table that says how many it has, as far as they are there; none where they are fewer."""
    entry = struct.Struct(layout)
    (count,) = struct.unpack(">I", _read(file, table.start + 4, 4))
    count = min(count, (table.end - table.start - 8) // entry.size)
    return list(entry.iter_unpack(_read(file, table.start + 8, count * entry.size))) if count >= least else []


def _read(file: IO[bytes], at: int, num_bytes: int) -> bytes:
    """So many bytes.

    Raises:
        struct.error: there are fewer.
    """
    file.seek(at)
    data = file.read(num_bytes)
    if len(data) < num_bytes:
        raise struct.error(f"{len(data)} of {num_bytes} bytes at {at}")
    return data
