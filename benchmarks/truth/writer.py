"""Makes a film's pictures and writes it, with the truth beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.truth.camera import view
from benchmarks.truth.events import Where
from benchmarks.truth.film import Film, Shot
from benchmarks.truth.formats import Format, woven
from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image


def write(film: Film, folder: Path) -> Path:
    """FOLDER/NAME.mp4, and NAME.json with its truth.

    Raises:
        ValueError: a take has fewer frames than its file says.
        av.error.FFmpegError: a take cannot be read.
    """
    chosen = film.format
    path = folder / f"{film.name}.mp4"
    options = {"preset": chosen.preset, "crf": str(chosen.crf), "g": str(chosen.gop)}
    if chosen.interlaced:
        options |= {"flags": "+ilme+ildct", "x264-params": "tff=1"}
    shown = pictures(film)
    numbers = _numbers(film)
    write_video(
        path,
        _stored(woven(shown) if chosen.interlaced else shown, numbers),
        fps=Fraction(chosen.truth_fps),
        options=options,
        seconds=(Fraction(number, chosen.truth_fps) for number, _ in numbers),
    )
    path.with_suffix(".json").write_text(json.dumps(film.truth()))
    return path


def pictures(film: Film) -> Iterator[Image]:
    """Every frame of a film as it is made, BGR."""
    rng = np.random.default_rng(film.seed)
    chosen = film.format
    left = list(zip(film.joins, film.shots[1:], strict=True))[::-1]
    now = _shown(film.shots[0], chosen, rng)
    following: Iterator[Image] | None = None
    for number in range(film.num_frames):
        if left and number == left[-1][0].start:
            following = _shown(left[-1][1], chosen, rng)
        if following is not None and number == left[-1][0].end:
            now, following = following, None
            left.pop()
        if following is None:
            picture = next(now)
        else:
            placed = left[-1][0]
            mix, snap = placed.join.mix, chosen.snap
            assert mix is not None
            step = (number - placed.start) // snap, (placed.end - placed.start) // snap
            picture = mix(next(now), next(following), *step)
        yield chosen.look(picture, rng)


def _shown(shot: Shot, chosen: Format, rng: np.random.Generator) -> Iterator[Image]:
    """What is seen of a shot, frame by frame from its first one on."""
    extra = shot.event.event.extra(chosen.fps) if shot.event else 0
    count = shot.last - shot.first + min(extra, shot.spare)
    images = shot.take.frames(chosen.size, start=shot.offset, count=count, step=shot.step)
    if shot.mirrored:
        images = (np.ascontiguousarray(image[:, ::-1]) for image in images)
    if shot.view is not None:
        x, y, part = shot.view
        images = (view(image, x, y, part) for image in images)
    if shot.event is None:
        return images
    where = Where(shot.event.start - shot.first, shot.event.end - shot.first, chosen.fps)
    return shot.event.event.happens(images, where, rng)


def _numbers(film: Film) -> list[tuple[int, int]]:
    """(stored frame's number, which picture it shows), in order; where time is uneven some numbers are left out.

    The frames on either side of a join's edge are always there: the truth is exact.
    """
    chosen = film.format
    made = film.num_frames // 2 if chosen.interlaced else film.num_frames
    rate = film.format.fps // (2 if chosen.interlaced else 1)
    all_numbers = [
        (number, min(made - 1, number * rate // chosen.truth_fps)) for number in range(chosen.stored(film.num_frames))
    ]
    if not chosen.uneven:
        return all_numbers
    rng = np.random.default_rng((*film.seed, 1))
    fixed = {0, *(edge + by for one in film.joins for edge in (one.start, one.end) for by in (-1, 0))}
    return [pair for pair in all_numbers if pair[0] in fixed or rng.random() >= chosen.uneven]


def _stored(images: Iterator[Image], numbers: list[tuple[int, int]]) -> Iterator[Image]:
    """The picture of each stored frame; numbers of pictures never fall."""
    at, picture = -1, None
    for _, wanted in numbers:
        while at < wanted:
            picture = next(images)
            at += 1
        assert picture is not None
        yield picture
