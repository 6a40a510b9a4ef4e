"""What a film of the shapes corpus shows, measured from its pixels alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.film import Frames
from training.shapes.corpus import COLORS, DIRECTIONS, SHAPES, inside_shape

COLORED = 60
"""A pixel whose largest and smallest channel are this far apart (of 255) is coloured; the corpus's colours have 175 and
more, its backgrounds 0."""
LEAST_SHARE = 0.01
"""Of the pixels, that must be coloured for the film to show a shape; the smallest shape covers 4 %."""
LEAST_WAY = 0.02
"""Of the frame's side, that a shape must go for its direction to count."""
LEAST_OVERLAP = 0.8
"""Of what is coloured with a shape of its area at its place, for it to be that shape; drawn ones have 0.93 and more."""
AREAS = {"circle": np.pi, "square": 1.7**2, "triangle": 1.8 * 0.9}
"""In squares of the radius."""
DOWN = {"circle": 0.0, "square": 0.0, "triangle": 0.2}
"""How far below its centre the middle of a shape's area is, in radii."""


def dominant_color(film: Frames) -> str | None:
    """The colour of the corpus that most coloured pixels of the frames (N, H, W, 3) are nearest to; None: no colour."""
    pixels = film.reshape(-1, 3).astype(np.int32)
    colored = pixels[np.ptp(pixels, axis=1) >= COLORED]
    if len(colored) < LEAST_SHARE * len(pixels):
        return None
    # Hue alone: a dark red is still red.
    hues = _hue(np.array(list(COLORS.values()))) @ _hue(colored).T
    counts = np.bincount(hues.argmax(0), minlength=len(COLORS))
    return list(COLORS)[int(counts.argmax())]


def direction(film: Frames) -> str | None:
    """Which way the coloured pixels' centre goes from the first frame to the last; None: nowhere, or no colour."""
    start, end = _center(film[0]), _center(film[-1])
    if start is None or end is None or np.abs(end - start).max() < LEAST_WAY:
        return None
    along = {name: float(np.dot(end - start, step)) for name, step in DIRECTIONS.items()}
    return max(along, key=along.__getitem__)


def shape(film: Frames) -> str | None:
    """The shape of the corpus that what is coloured overlaps most with, over all frames; None: it is none of them.

    Each shape is drawn with the area that is coloured, and with its middle there. Overlap is the area of both over
    that of either (intersection over union).
    """
    masks = [mask for mask in map(_mask, film) if mask.mean() >= LEAST_SHARE]
    if 2 * len(masks) < len(film):
        return None
    overlaps = {name: float(np.mean([_overlap(mask, name) for mask in masks])) for name in SHAPES}
    most = max(overlaps, key=overlaps.__getitem__)
    return most if overlaps[most] >= LEAST_OVERLAP else None


def _mask(frame_HWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Pixels of at least half of the frame's strongest colour: a blur leaves an edge where it was."""
    chroma = np.ptp(frame_HWC.astype(np.int32), axis=2)
    strongest = np.percentile(chroma, 99)
    return np.asarray(chroma >= max(COLORED, strongest / 2))


def _overlap(mask_HW: npt.NDArray[np.bool_], name: str) -> float:
    rows, columns = np.nonzero(mask_HW)
    radius = (len(rows) / AREAS[name]) ** 0.5
    y, x = rows.mean() - DOWN[name] * radius, columns.mean()
    height, width = mask_HW.shape
    drawn = inside_shape(name, (np.arange(width)[None] - x) / radius, (np.arange(height)[:, None] - y) / radius)
    return float((drawn & mask_HW).sum() / (drawn | mask_HW).sum())


def _center(frame_HWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64] | None:
    """Mean (x, y) of the coloured pixels, as a share of the sides."""
    rows, columns = np.nonzero(np.ptp(frame_HWC.astype(np.int32), axis=2) >= COLORED)
    height, width = frame_HWC.shape[:2]
    if len(rows) < LEAST_SHARE * height * width:
        return None
    return np.array([columns.mean() / width, rows.mean() / height])


def _hue(colors_N3: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Unit vectors of what differs from grey."""
    chroma = colors_N3 - colors_N3.mean(1, keepdims=True)
    unit: npt.NDArray[np.float64] = chroma / np.linalg.norm(chroma, axis=1, keepdims=True)
    return unit
