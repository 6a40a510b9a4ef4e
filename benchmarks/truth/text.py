"""The table of text: lines of each script drawn on frames of the material, and rows of things that are no text."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.lettering import STYLES, lettered, readable_here
from benchmarks.truth.lookalikes import THINGS, row_of
from benchmarks.truth.material import Material, Take
from examples.demo_films.landscapes import Image
from filters.text_area import TextAreaScorer
from preprocess.clip import Clip
from preprocess.frames import FrameSignals, FrameView, Picture, Sample

SIZE = (960, 540)
HEIGHTS = (0.03, 0.04, 0.05, 0.06, 0.08, 0.11)
"""Of the frame, of a line's ink; one line a height and script."""
FOUND = 0.3
"""Share of a line's area that must be told for it to count as found."""
QUALITY = 60
"""Of the JPEG that each frame goes through."""
BLUR = 12.0
"""Pixels; leaves no sign readable that hangs in a scene behind the rows of things."""
FRAMES = 12
"""Of the material; lines are drawn on those on which nothing is found, as others have text of their own."""


BOUNDS: Bounds = {"recall *": Bound(least=0.9), "false alarms *": Bound(most=0.0)}


def rows(material: Material, seed: int) -> dict[str, float]:
    """Recall by script, told area over true area, and false alarms among frames with rows of things.

    Scripts that the machine has no font for are left out.
    """
    rng = np.random.default_rng(seed)
    scorer = TextAreaScorer()
    frames = [frame for frame in _frames(material.chosen(rng, FRAMES)) if told_area(scorer, frame) == 0]
    if not frames:
        return {}
    figures, ratios = {}, []
    for script, (lines, fonts) in readable_here().items():
        found, drawn = 0, 0
        for number, high in enumerate(HEIGHTS):
            at = (0.5, 0.88) if number % 2 else (0.5, float(rng.uniform(0.2, 0.7)))
            line, font = str(rng.choice(np.array(lines))), fonts[int(rng.integers(len(fonts)))]
            frame, style = frames[int(rng.integers(len(frames)))], STYLES[number % len(STYLES)]
            degrees = float(rng.uniform(-12, 12)) if number % 3 == 2 else 0.0
            made = lettered(frame, line, font, high=high, at=at, degrees=degrees, style=style)
            made = made or lettered(frame, line[:7], font, high=high, style=style)
            if made is None:
                continue
            told = told_area(scorer, made.image) / (cv2.contourArea(made.corners) / (SIZE[0] * SIZE[1]))
            drawn += 1
            found += told >= FOUND
            ratios += [told] if told >= FOUND else []
        if drawn:
            figures[f"recall {script}"] = found / drawn
    if ratios:
        figures["area told / true, median"] = float(np.median(ratios))
    plain = [cv2.GaussianBlur(frame, (0, 0), BLUR).astype(np.uint8) for frame in frames]
    alarms = [
        told_area(scorer, row_of(thing, plain[int(rng.integers(len(plain)))], rng)) > 0
        for thing in THINGS
        for _ in range(3)
    ]
    return figures | {"false alarms among rows of things": float(np.mean(alarms))}


def _frames(takes: list[Take]) -> Iterator[Image]:
    for take in takes:
        yield from take.frames(SIZE, start=take.num_frames // 2, count=1)


def told_area(scorer: TextAreaScorer, frame: Image) -> float:
    """`text_area` of a clip of this frame, as it is after compression."""
    area = scorer.score(_view(frame))["text_area"]
    assert isinstance(area, float)
    return area


def _view(frame: Image) -> FrameView:
    """A clip of one frame, as it is after compression."""
    stored = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1], cv2.IMREAD_COLOR)
    y, cr, cb = cv2.split(cv2.cvtColor(stored, cv2.COLOR_BGR2YCrCb))
    half = (frame.shape[1] // 2, frame.shape[0] // 2)
    cb, cr = (cv2.resize(plane, half, interpolation=cv2.INTER_AREA).astype(np.uint8) for plane in (cb, cr))
    picture = Picture(y=y.astype(np.uint8), cb=cb, cr=cr)
    clip = Clip(
        source_id="0" * 32,
        source_uri="frame",
        start_pts=0,
        end_pts=1,
        time_base=Fraction(1),
        num_frames=1,
        fps=Fraction(1),
        width=frame.shape[1],
        height=frame.shape[0],
    )
    moment, none = np.zeros(1), np.full(1, np.nan)
    signals = FrameSignals(seconds=moment, luma_mean=moment, luma_std=moment, change=none)
    sample = Sample(seconds=0.0, luma=picture.y, picture=picture, pair_luma=None, pair_seconds=0.0)
    return FrameView(clip=clip, signals=signals, samples=(sample,))
