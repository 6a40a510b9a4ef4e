"""What a film of the shapes corpus shows, measured from its pixels alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.film import Frames
from training.shapes.corpus import COLORS, DIRECTIONS

COLORED = 60
"""A pixel whose largest and smallest channel are this far apart (of 255) is coloured; the corpus's colours have 175 and
more, its backgrounds 0."""
LEAST_SHARE = 0.01
"""Of the pixels, that must be coloured for the film to show a shape; the smallest shape covers 4 %."""
LEAST_WAY = 0.02
"""Of the frame's side, that a shape must go for its direction to count."""


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
