"""Whether `freeze_fraction` is the share of time in which pictures stand still."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.formats import grain
from benchmarks.truth.material import Material, Take
from benchmarks.truth.measured import measured
from benchmarks.truth.structure import moves, repeated
from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image
from filters.freeze_fraction import FreezeFractionScorer

TAKES = 3
SECONDS = 3
FPS = 24
SIZE = (640, 360)
SHARP = {"crf": "20", "preset": "medium"}
HASTY = {"crf": "18", "preset": "superfast"}
"""It goes on mending a picture for a second after it has come."""
COARSE = {"crf": "40", "preset": "superfast", "g": "12"}


BOUNDS: Bounds = {"error *": Bound(most=0.1)}


def rows(material: Material, seed: int) -> dict[str, float]:
    """`error CASE`: mean distance of `freeze_fraction` from the truth over takes that move all the time."""
    rng = np.random.default_rng(seed)
    errors: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        path = Path(folder) / "film.mp4"
        chosen = (list(take.frames(SIZE, count=SECONDS * FPS)) for take in _long_takes(material, rng))
        for frames in islice((each for each in chosen if moves(each, FPS)), TAKES):
            for name, (truth, pictures, options) in _cases(frames, rng).items():
                write_video(path, pictures, fps=Fraction(FPS), options=options)
                said = measured(path, [FreezeFractionScorer()])["freeze_fraction"]
                if isinstance(said, float):
                    errors.setdefault(name, []).append(abs(said - truth))
    return {f"error {name}": float(np.mean(all_)) for name, all_ in errors.items()}


def _long_takes(material: Material, rng: np.random.Generator) -> Sequence[Take]:
    """In random order; of the rate that films are made at, or more."""
    return [take for take in material.chosen(rng, len(material.takes), SECONDS * FPS / 23) if take.fps >= 23]


def _cases(
    frames: Sequence[Image], rng: np.random.Generator
) -> Mapping[str, tuple[float, Sequence[Image], Mapping[str, str]]]:
    """By name: the truth, the pictures and how they are coded; every film is as long as `frames`."""
    count, still = len(frames), [frames[0]] * len(frames)
    held = round(0.4 * count)
    return {
        "moving": (0.0, frames, SHARP),
        "still": (1.0, still, SHARP),
        "still, coarse": (1.0, still, COARSE),
        "still, grain 1": (1.0, [grain(one, rng, 1) for one in still], SHARP),
        "still, grain 3": (1.0, [grain(one, rng, 3) for one in still], SHARP),
        "still, a dot moves": (0.0, [_with_dot(one, number / count) for number, one in enumerate(still)], SHARP),
        "two fifths held": (held / count, [*frames[: count - held], *[frames[count - held - 1]] * held], SHARP),
        "two fifths held, hasty": (held / count, [*frames[: count - held], *[frames[count - held - 1]] * held], HASTY),
        "one picture a second, hasty": (1.0, repeated(frames[::FPS], FPS), HASTY),
        "one picture a second": (1.0, repeated(frames[::FPS], FPS), SHARP),
        "two pictures a second": (1.0, repeated(frames[:: FPS // 2], FPS // 2), SHARP),
        "12 of 24 a second": (0.0, repeated(frames[: count // 2], 2), SHARP),
        "8 of 24 a second": (0.0, repeated(frames[: count // 3], 3), SHARP),
    }


def _with_dot(picture: Image, share: float) -> Image:
    dotted, height, width = picture.copy(), *picture.shape[:2]
    cv2.circle(dotted, (round(share * width), height // 2), height // 40, (40, 40, 220), -1, cv2.LINE_AA)
    return dotted
