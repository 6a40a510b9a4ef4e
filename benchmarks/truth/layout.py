"""Logos, split screens, subtitles, slideshows and repeated frames: whether they are seen, and only where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.material import Material, Take
from benchmarks.truth.measured import measured
from benchmarks.truth.overlays import subtitled
from benchmarks.truth.structure import Image, moves, repeated, split, with_logo
from examples.demo_films.encode import write_video
from filters.base import Score, Scorer
from filters.logo import LogoScorer
from filters.panels import PanelsScorer
from filters.repeated_frames import RepeatedFramesScorer
from filters.slideshow import SlideshowScorer
from filters.text_area import TextAreaScorer

TAKES = 4
SECONDS, FPS = 3, 24
SIZE = (640, 360)
WORDS = ("where have you been", "the last train leaves at nine")
LOGO = (540, 20, 610, 50)
BOUNDS: Bounds = {
    "seen split, line": Bound(least=0.9),
    "seen split": Bound(least=0.5),
    "seen *": Bound(least=0.75),
    "false *": Bound(most=0.0),
    "true fps error *": Bound(most=0.05),
}
Said = Mapping[str, Score]


def rows(material: Material, seed: int) -> dict[str, float]:
    """`seen CASE` and `false CASE`: of the takes that move, those in which a thing is seen that is there, and that is
    not; `true fps error RATE`: median, as a share of the rate that was stored at 24 a second."""
    rng = np.random.default_rng(seed)
    takes = material.chosen(rng, len(material.takes), SECONDS)
    moving = [frames for take in takes if (frames := _frames(take)) and moves(frames, FPS)][:TAKES]
    found: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="truth-") as folder:
        for number, frames in enumerate(moving):
            for name, pictures, scorer, judged in _cases(frames, moving[number - 1]):
                path = Path(folder) / "film.mp4"
                write_video(path, pictures, fps=Fraction(FPS), options={"crf": "20", "preset": "veryfast"})
                if (value := judged(measured(path, [scorer]))) is not None:
                    found.setdefault(name, []).append(float(value))
    return {name: float((np.median if "error" in name else np.mean)(values)) for name, values in found.items()}


def _cases(
    frames: Sequence[Image], others: Sequence[Image]
) -> Iterator[tuple[str, Sequence[Image], Scorer, Callable[[Said], float | None]]]:
    """Name, pictures, who looks at them, and what is made of the answer."""
    logo, panels, text = LogoScorer(), PanelsScorer(), TextAreaScorer()
    yield "seen logo", with_logo(frames, LOGO), logo, _overlaps
    yield "seen logo, half", with_logo(frames, LOGO, opacity=0.5), logo, _overlaps
    yield "false logo", frames, logo, lambda said: said["logo"] != 0
    if others is not frames:
        yield "seen split", split(frames, others), panels, lambda said: said["panels"] == 2
        yield "seen split, line", split(frames, others, line=4), panels, lambda said: said["panels"] == 2
    yield "false split", frames, panels, lambda said: said["panels"] != 1
    lines = [subtitled(frame.copy(), WORDS[number * 2 // len(frames)]) for number, frame in enumerate(frames)]
    yield "seen subtitles", lines, text, lambda said: _number(said["subtitles"]) > 0
    yield "false subtitles", frames, text, lambda said: _number(said["subtitles"]) > 0
    slides = repeated(frames[::FPS], FPS)
    yield "seen slideshow", slides, SlideshowScorer(), lambda said: _number(said["slideshow"]) > 0.5
    yield "false slideshow", frames, SlideshowScorer(), lambda said: _number(said["slideshow"]) > 0.5
    for times in (1, 2, 3):
        rate = FPS / times
        film = repeated(frames[: len(frames) // times], times)
        yield f"true fps error {rate:g}", film, RepeatedFramesScorer(), partial(_off, rate=rate)


def _overlaps(said: Said) -> float:
    """Whether the box is over half of both."""
    if not said["logo"]:
        return 0.0
    left, top, right, bottom = (_number(said[f"logo_{side}"]) for side in ("left", "top", "right", "bottom"))
    wide = max(0.0, min(right, LOGO[2]) - max(left, LOGO[0]))
    high = max(0.0, min(bottom, LOGO[3]) - max(top, LOGO[1]))
    both = (right - left) * (bottom - top) + (LOGO[2] - LOGO[0]) * (LOGO[3] - LOGO[1]) - wide * high
    return float(wide * high > 0.5 * both)


def _off(said: Said, rate: float) -> float | None:
    """None where the measure says that too little moves."""
    return None if said["true_fps"] is None else abs(_number(said["true_fps"]) / rate - 1)


def _number(value: Score) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _frames(take: Take) -> list[Image]:
    return list(take.frames(SIZE, count=SECONDS * FPS)) if take.fps >= FPS - 1 else []
