"""Films of one clip each: spans of takes, and copies of those, with the span that each is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.repeats.copies import COPIES, MIRRORED, Copy
from benchmarks.truth.material import Material, Take
from examples.demo_films.encode import write_video

HEIGHT = 360
"""Pixels of a span; the copies are larger and smaller."""
LEAST_SECONDS, MOST_SECONDS = 2.7, 5.0
"""Of a span: four fifths of the least are still a clip of 2.1 s."""
SPANS_OF_TAKE = 4
ORIGINAL, MIRROR = "original", "mirrored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One file."""

    span: int
    """Films of one span repeat one another, those of different spans do not, even where both are of one take."""
    kind: str
    """`ORIGINAL`, `MIRROR` or one of `COPIES`."""


def write_films(source: Path, folder: Path) -> Mapping[str, Film]:
    """Write the films of all takes in `source` and say by name what they are. Of one scene a single take is used, since
    nobody says whether two of them show the same moments."""
    takes = {take.scene: take for take in reversed(Material.of(source).takes)}
    films: dict[str, Film] = {}
    for number, (take, start, count) in enumerate(_spans(list(takes.values()))):
        width = 2 * round(take.size[0] * HEIGHT / take.size[1] / 2)
        frames = list(take.frames((width, HEIGHT), start=start, count=count))
        rate = Fraction(take.fps).limit_denominator(1001)
        for kind, copy in {ORIGINAL: None, **COPIES, MIRROR: MIRRORED}.items():
            name = f"{number:03} {kind.replace('%', 'percent')}.mp4"
            _write(folder / name, frames, rate, copy)
            films[name] = Film(span=number, kind=kind)
    return films


def _spans(takes: list[Take]) -> Iterator[tuple[Take, int, int]]:
    """Take, first frame and number of frames."""
    for take in takes:
        number = min(SPANS_OF_TAKE, int(take.num_frames / take.fps / LEAST_SECONDS))
        for index in range(number):
            each = take.num_frames // number
            yield take, index * each, min(each, int(MOST_SECONDS * take.fps))


def _write(path: Path, frames: list[np.ndarray], rate: Fraction, copy: Copy | None) -> None:
    if copy is None:
        write_video(path, frames, fps=rate)
        return
    first, end = (round(part * len(frames)) for part in copy.span)
    chosen = np.arange(first, end, copy.step).astype(int).tolist()
    rate = (rate / Fraction(copy.step).limit_denominator(100)).limit_denominator(1001)
    write_video(
        path, (copy.change(frames[place]) for place in chosen), fps=rate, codec=copy.codec, options=copy.options
    )
