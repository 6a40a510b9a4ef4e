"""Small films that went wrong, of every kind that once ended a run: `from tests.fault_films import FAULT_FILMS`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image, Size
from tests.videos import FPS, SIZE, TINTS, texture

SHOT_FRAMES = 96
"""Four seconds."""


def shot(number: int = 0, *, size: Size = SIZE, num_frames: int = SHOT_FRAMES) -> Iterator[Image]:
    """A noise texture that moves, in the colour of its number."""
    width, height = size
    scene = texture(tint=TINTS[number % len(TINTS)])(np.random.default_rng(number), (max(32, width), max(32, height)))
    return (scene(float(index / FPS))[:height, :width] for index in range(num_frames))


def spliced(path: Path, parts: Iterable[Mapping[str, Any]]) -> None:
    """A transport stream of one shot after the other, each written with its own settings of `write_video`: `size`,
    `pixel_aspect`, `pixel_format`."""
    whole = b""
    for number, part in enumerate(parts):
        settings = dict(part)
        frames = shot(number, size=settings.pop("size", SIZE))
        times = (number * SHOT_FRAMES / FPS + index / FPS for index in range(SHOT_FRAMES))
        piece = path.with_name(f".piece-{path.name}")
        write_video(piece, frames, fps=FPS, seconds=times, **settings)
        whole += piece.read_bytes()
        piece.unlink()
    path.write_bytes(whole)


def timed(path: Path, *, times: Iterable[Fraction], size: Size = SIZE, **settings: Any) -> None:
    """One shot whose frames come at these times."""
    seconds = list(times)
    write_video(path, shot(size=size, num_frames=len(seconds)), fps=FPS, seconds=seconds, **settings)


def strip(path: Path, *, size: Size) -> None:
    """Two shots of a picture with hardly any height, or width."""
    frames = (frame for number in (0, 1) for frame in shot(number, size=size))
    write_video(path, frames, fps=FPS, codec="mjpeg", pixel_format="yuvj444p")


def late_sound(path: Path) -> None:
    """FLV in which the sound begins after eight seconds, which no header announces."""
    pictures, sound = path.with_name(f".pictures-{path.name}"), path.with_name(f".sound-{path.name}")
    write_video(pictures, (frame for number in (0, 1) for frame in shot(number)), fps=FPS, codec="flv")
    write_video(sound, shot(num_frames=24), fps=FPS, codec="flv", tone_hertz=440.0)
    path.write_bytes(pictures.read_bytes() + b"".join(_flv_tags(sound.read_bytes(), kind=8)))
    pictures.unlink()
    sound.unlink()


def long_sound(path: Path) -> None:
    """Matroska with eight seconds of sound over four of pictures."""
    write_video(path, shot(num_frames=2 * SHOT_FRAMES), fps=FPS, tone_hertz=440.0)
    with av.open(str(path)) as whole:
        packets = [(packet, packet.stream.index) for packet in whole.demux() if packet.size]
        packets = [(packet, index) for packet, index in packets if index or packet.pts * packet.time_base < 4]
        with av.open(str(path.with_name(f"cut-{path.name}")), "w") as out:
            copies = [out.add_stream_from_template(stream) for stream in whole.streams]
            for packet, index in packets:
                packet.stream = copies[index]
                out.mux(packet)
    path.with_name(f"cut-{path.name}").replace(path)


def untagged_sound(path: Path) -> None:
    """The same without the tags that say how long each of the two is: the header has the sound's length alone."""
    long_sound(path)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"DURATIOX"))


def _flv_tags(content: bytes, *, kind: int) -> Iterator[bytes]:
    """The tags of one kind (8 is sound), each with the size that follows it, of an FLV file."""
    at = 13
    while at + 11 <= len(content):
        length = 11 + int.from_bytes(content[at + 1 : at + 4], "big") + 4
        if content[at] == kind:
            yield content[at : at + length]
        at += length


def edited(path: Path, *, edits: Iterable[tuple[int, int]]) -> None:
    """A MOV file of one shot with an edit list: lengths in milliseconds, begins in frames."""
    write_video(path, shot(), fps=FPS)
    content = path.read_bytes()
    track = content.index(b"trak") - 4
    entries = b"".join(struct.pack(">IiI", length, begin * _TICKS_A_FRAME, 1 << 16) for length, begin in edits)
    table = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(entries) // 12) + entries))
    header = track + 8 + int.from_bytes(content[track + 8 : track + 12], "big")
    old = int.from_bytes(content[header : header + 4], "big") if content[header + 4 : header + 8] == b"edts" else 0
    content = content[:header] + table + content[header + old :]
    for kind in (b"moov", b"trak"):  # the index comes last, so that nothing in it is moved
        content = _resized(content, kind, len(table) - old)
    path.write_bytes(content)


def many_frames(path: Path) -> None:
    """A MOV file whose table of frames says that there are 268 million of one byte each."""
    write_video(path, shot(), fps=FPS)
    content = bytearray(path.read_bytes())
    at = content.index(b"stsz") + 8
    content[at : at + 8] = struct.pack(">II", 1, 1 << 28)
    path.write_bytes(content)


_TICKS_A_FRAME = 512


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _resized(content: bytes, kind: bytes, by: int) -> bytes:
    at = content.index(kind) - 4
    return content[:at] + (int.from_bytes(content[at : at + 4], "big") + by).to_bytes(4, "big") + content[at + 4 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFilm:
    """How to make one, and what is to become of it."""

    build: Callable[[Path], None]
    status: str = "ok"
    reason: str | None = None
    """How it begins."""
    sizes: tuple[Size, ...] = ()
    """Of its clips of three seconds and more, in order."""


def _grid(start: float, seconds: float) -> list[Fraction]:
    return [Fraction(start) + index / FPS for index in range(round(seconds * FPS))]


_BIG = (192, 108)
_HUGE = (320, 180)
MAX_PIXELS = 30_000
"""The bound that `_HUGE` is over."""
FAULT_FILMS: Mapping[str, FaultFilm] = {
    "aspect.ts": FaultFilm(
        build=partial(
            spliced,
            parts=[{"pixel_aspect": aspect} for aspect in (Fraction(1), Fraction(4, 3))],
        ),
        sizes=(SIZE, (213, 90)),
    ),
    "bits.ts": FaultFilm(
        build=partial(spliced, parts=[{"pixel_format": kind} for kind in ("yuv420p", "yuv420p10le", "yuv444p")]),
        sizes=(SIZE, SIZE, SIZE),
    ),
    "edits.mov": FaultFilm(
        build=partial(edited, edits=[(42, 90)] * 100_000), status="failed", reason="too_large: its edit list"
    ),
    "frames.mov": FaultFilm(build=many_frames, status="failed", reason="too_large: 268435456 frames"),
    "grows.ts": FaultFilm(build=partial(spliced, parts=[{}, {"size": _BIG}, {}]), sizes=(SIZE, _BIG, SIZE)),
    "huge.mp4": FaultFilm(
        build=partial(timed, times=_grid(0, 4), size=_HUGE), status="failed", reason="too_large: 320x180"
    ),
    "huge_later.ts": FaultFilm(
        build=partial(spliced, parts=[{}, {"size": _HUGE}, {}]),
        status="damaged",
        reason="too_large: 320x180",
        sizes=(SIZE,),
    ),
    "hour.mkv": FaultFilm(build=partial(timed, times=[*_grid(0, 4), *_grid(3600, 4)]), sizes=(SIZE, SIZE)),
    "late_sound.flv": FaultFilm(build=late_sound, sizes=(SIZE, SIZE)),
    "long_sound.mkv": FaultFilm(build=long_sound, sizes=(SIZE,)),
    "long_sound_untagged.mkv": FaultFilm(build=untagged_sound, sizes=(SIZE,)),
    "narrow.mkv": FaultFilm(build=partial(strip, size=(1, 300)), reason="no_clean_shot"),
    "pause.mp4": FaultFilm(build=partial(timed, times=[*_grid(0, 4), *_grid(65, 4)]), sizes=(SIZE, SIZE)),
    "pixels.mkv": FaultFilm(build=partial(strip, size=(2, 2)), reason="no_clean_shot"),
    "slides.mp4": FaultFilm(
        build=partial(timed, times=[Fraction(100 * index) for index in range(5)]), reason="stills: "
    ),
    "thin.mkv": FaultFilm(build=partial(strip, size=(260, 20)), sizes=((260, 20), (260, 20))),
    "wide_pixels.mov": FaultFilm(
        build=partial(timed, times=_grid(0, 4), codec="mjpeg", pixel_format="yuvj420p", pixel_aspect=Fraction(10**8)),
        sizes=(SIZE,),
    ),
    "went_round.ts": FaultFilm(
        build=partial(timed, times=[Fraction(2**33, 90_000) - 3 + time for time in _grid(0, 4)]), sizes=(SIZE,)
    ),
    "wild.mkv": FaultFilm(build=partial(timed, times=[*_grid(0, 4), Fraction(10**9)]), sizes=(SIZE,)),
}
"""By file name."""


def fault_folder(folder: Path) -> None:
    """Make all of them."""
    for name, one in FAULT_FILMS.items():
        one.build(folder / name)
