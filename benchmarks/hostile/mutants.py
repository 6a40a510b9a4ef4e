"""Spoil the bytes of whole films in the ways that disks, networks, recorders and attackers do."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Spoil = Callable[[random.Random, bytes, bytes], bytes]
"""Makes other bytes of a film's; the second film is for splices."""

HEADER_BYTES = 4096
EXTREMES = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
NAMES = (
    b"moov mvhd trak tkhd edts elst mdia mdhd hdlr minf stbl stsd stts ctts stsc stsz stco co64 stss avc1 hvc1 av01 "
    b"avcC hvcC pasp colr mdat ftyp avih strh strf idx1 LIST movi JUNK RIFF IHDR acTL fcTL fdAT IDAT DKIF "
    b"onMetaData OggS"
).split()
"""Where structures of containers are named: the numbers about them stand before and behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One spoilt film, with how to make it again."""

    name: str
    """A file name that tells number, seed film and what was done."""
    content: bytes
    size_bytes: int
    """Of the file: zeros follow the content where it is larger, as a hole that takes no room on a disk."""
    sidecar: bytes | None

    def write(self, folder: Path) -> Path:
        """The file, and its sidecar beside it."""
        path = folder / self.name
        path.write_bytes(self.content)
        os.truncate(path, self.size_bytes)
        if self.sidecar is not None:
            path.with_suffix(".json").write_bytes(self.sidecar)
        return path


def mutant(seed: int, number: int, films: Sequence[Path]) -> Mutant:
    """Mutant `number` of a series, which depends on `seed`, `number` and the films alone."""
    rng = random.Random(f"{seed}:{number}")
    film, other = films[number % len(films)], rng.choice(films)
    content, spliced = film.read_bytes(), other.read_bytes()
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        spoil = rng.choice(SPOILS)
        content = spoil(rng, content, spliced) or content[:1]
        done.append(spoil.__name__)
    # FFmpeg goes by the bytes and by the name
    suffix = rng.choice(films).suffix if rng.random() < 0.1 else film.suffix
    name = f"{number:04d}-{film.stem[:40]}-{'-'.join(done)}{suffix}"
    # Files above 64 MB are asked for their length before any worker sees them
    size_bytes = 65 << 20 if rng.random() < 0.02 else len(content)
    said = sidecar(rng) if rng.random() < 0.15 else None
    return Mutant(name=name, content=content, size_bytes=size_bytes, sidecar=said)


def flip_bits(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """Single bits, few or many, anywhere."""
    return _flipped(rng, film, 0, len(film))


def flip_header(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """Single bits of the first kilobytes."""
    return _flipped(rng, film, 0, min(len(film), rng.choice((64, 512, HEADER_BYTES))))


def flip_end(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """Single bits of the last kilobytes, where some containers keep their index."""
    return _flipped(rng, film, max(0, len(film) - HEADER_BYTES), len(film))


def flip_middle(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """Single bits of the pictures, the headers left whole."""
    return _flipped(rng, film, len(film) // 4, 3 * len(film) // 4)


def overwrite(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """A run of noise."""
    at, end = _stretch(rng, film)
    return film[:at] + rng.randbytes(end - at) + film[end:]


def zero(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """A run of zeros, as a download that was never finished has them."""
    at, end = _stretch(rng, film)
    return film[:at] + bytes(end - at) + film[end:]


def cut_out(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """A stretch is missing."""
    at, end = _stretch(rng, film)
    return film[:at] + film[end:]


def insert(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """A stretch of noise too much."""
    at = rng.randrange(len(film) + 1)
    return film[:at] + rng.randbytes(rng.choice((1, 3, 100, 5000))) + film[at:]


def duplicate(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """A stretch comes twice or more often."""
    at, end = _stretch(rng, film)
    return film[:end] + film[at:end] * rng.choice((1, 2, 5)) + film[end:]


def swap(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """Two stretches have changed places."""
    at, end, begin, stop = sorted(rng.randrange(len(film) + 1) for _ in range(4))
    return film[:at] + film[begin:stop] + film[end:begin] + film[at:end] + film[stop:]


def truncate(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """The end is missing."""
    return film[: rng.choice((rng.randrange(1, 200), rng.randrange(1, len(film) + 1)))]


def behead(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """The begin is missing."""
    return film[rng.choice((rng.randrange(1, 200), rng.randrange(1, len(film) + 1))) :]


def splice(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """The begin of one film, the end of another."""
    return film[: rng.randrange(len(film))] + other[rng.randrange(len(other)) :]


def transplant(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """A stretch of another film in the midst, over what was there."""
    at, end = _stretch(rng, film)
    begin = rng.randrange(len(other))
    return film[:at] + other[begin : begin + end - at] + film[end:]


def concatenate(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """Two films in one file."""
    return film + other


def repeat(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """One film twice in a file, whose clock begins again."""
    return film * 2


def append(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """Noise behind the end."""
    return film + rng.randbytes(rng.choice((1, 1000, 50_000)))


def extreme_fields(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """Numbers that ask for too much or nothing, beside the names of a container's structures."""
    places = [at for name in NAMES for at in _all(film, name)]
    changed = bytearray(film)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.choice(places) + rng.randrange(-8, 40) if places else rng.randrange(min(len(film), HEADER_BYTES))
        _put(rng, changed, at)
    return bytes(changed)


def extreme_header(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """The same anywhere in the first kilobytes."""
    changed = bytearray(film)
    for _ in range(rng.choice((1, 2, 5, 20))):
        _put(rng, changed, rng.randrange(min(len(film), HEADER_BYTES)))
    return bytes(changed)


def scale_field(rng: random.Random, film: bytes, other: bytes) -> bytes:
    """A number of the header becomes a little or much larger: sizes, counts, times."""
    changed = bytearray(film)
    at = rng.randrange(max(1, min(len(film) - 4, HEADER_BYTES)))
    order = rng.choice("<>")
    if at + 4 <= len(film):
        (value,) = struct.unpack_from(order + "I", film, at)
        struct.pack_into(order + "I", changed, at, value * rng.choice((2, 3, 255, 256, 65536)) % 2**32)
    return bytes(changed)


SPOILS: tuple[Spoil, ...] = (
    flip_bits,
    flip_header,
    flip_end,
    flip_middle,
    overwrite,
    zero,
    cut_out,
    insert,
    duplicate,
    swap,
    truncate,
    behead,
    splice,
    transplant,
    concatenate,
    repeat,
    append,
    extreme_fields,
    extreme_fields,
    extreme_header,
    scale_field,
)


def sidecar(rng: random.Random) -> bytes:
    """The JSON file beside a film: whole, spoilt, or of a form that nobody expects."""
    good = json.dumps({"license": "CC0", "title": "a film", "url": "https://example.org/", "author": None}).encode()
    return rng.choice(
        (
            good,
            _flipped(rng, good, 0, len(good)),
            good[: rng.randrange(len(good))],
            b"\xff\xfe" + good,
            b"",
            b"[" * 100_000,
            b'{"license":' * 10_000,
            b'{"license": ' + b"9" * 5000 + b"}",
            b'{"title": "\\ud800", "author": "\\u0000\\u202e<script>"}',
            b'{"title": NaN, "license": 1e999, "url": true, "author": {"a": [1]}}',
            b'{"title": "' + "\u202e\U0001f4a9".encode() * 5000 + b'"}',
            b"null",
            bytes(1000),
            rng.randbytes(1000),
        )
    )


def _flipped(rng: random.Random, film: bytes, start: int, stop: int) -> bytes:
    changed = bytearray(film)
    for _ in range(rng.choice((1, 3, 10, 100, 1000))):
        changed[rng.randrange(start, stop)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _stretch(rng: random.Random, film: bytes) -> tuple[int, int]:
    """A half-open range of a few bytes up to a third of the film."""
    at = rng.randrange(len(film))
    longest = rng.choice((16, 512, 8192, max(1, len(film) // 3)))
    return at, min(len(film), at + rng.randrange(1, longest + 1))


def _put(rng: random.Random, film: bytearray, at: int) -> None:
    width, kind = rng.choice(((2, "H"), (4, "I"), (4, "I"), (8, "Q")))
    value = rng.choice(EXTREMES) if width < 8 else rng.choice((*EXTREMES, 2**63 - 1, 2**63, 2**64 - 1))
    if 0 <= at <= len(film) - width:
        struct.pack_into(rng.choice("<>") + kind, film, at, value % 2 ** (8 * width))


def _all(film: bytes, name: bytes) -> list[int]:
    """Where a name stands, the first hundred times."""
    places: list[int] = []
    at = film.find(name)
    while at >= 0 and len(places) < 100:
        places.append(at)
        at = film.find(name, at + 1)
    return places
