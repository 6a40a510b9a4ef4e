"""Whether the crop box is the box that the content was put into."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.material import Material
from benchmarks.truth.measured import measured
from benchmarks.truth.structure import Box, bar_cases
from examples.demo_films.encode import write_video
from filters.base import Score
from filters.letterbox import LetterboxScorer

TAKES = 4
FRAMES = 36
SIZE = (640, 360)
RIGHT = 0.97
"""Of two boxes' union, what both of them hold where they are called the same: two or three rows of 360 either way."""


BOUNDS: Bounds = {"right *": Bound(least=1.0), "content lost": Bound(most=0.03)}


def rows(material: Material, seed: int) -> dict[str, float]:
    """`right CASE`: takes whose box is the true one, each measured alone; `content lost`: the most, as a share of the
    true box, that any box leaves out. Takes that have bars of their own are left out."""
    rng = np.random.default_rng(seed)
    right: dict[str, list[bool]] = {}
    lost = [0.0]
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        path = Path(folder) / "film.mp4"
        for take in material.chosen(rng, TAKES, FRAMES / 24):
            frames = list(take.frames(SIZE, count=FRAMES))
            for name, (box, change) in bar_cases(SIZE[1], SIZE[0]).items():
                write_video(path, change(frames), fps=Fraction(24))
                said = measured(path, [LetterboxScorer()])
                found = _box(said)
                if name == "none" and found != box:
                    break
                both = _area(
                    (max(box[0], found[0]), max(box[1], found[1]), min(box[2], found[2]), min(box[3], found[3]))
                )
                right.setdefault(name, []).append(both / (_area(box) + _area(found) - both) > RIGHT)
                lost.append(1 - both / _area(box))
    return {f"right {name}": float(np.mean(said)) for name, said in right.items()} | {"content lost": max(lost)}


def _box(said: Mapping[str, Score]) -> Box:
    left, top, right, bottom = (int(str(said[f"crop_{side}"])) for side in ("left", "top", "right", "bottom"))
    return left, top, right, bottom


def _area(box: Box) -> int:
    left, top, right, bottom = box
    return max(0, right - left) * max(0, bottom - top)
