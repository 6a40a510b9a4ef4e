"""Gradients of sampled pictures in one small size, which what looks for logos and for panels share."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.frames import FrameView, Picture, Plane
from preprocess.planes import resized

LONG_SIDE = 320
"""Pixels: a logo of a twentieth of the width is 16 wide."""
SAMPLES = 4
"""Of a clip."""

Gradients = npt.NDArray[np.int16]
"""(2, h, w): half the difference of the neighbours right and left, below and above."""


def small_lumas(view: FrameView) -> list[Plane]:
    """Up to `SAMPLES` of them, (h, w), evenly over the clip."""
    return [_small(sample.picture) for sample in view.uniform(SAMPLES)]


def gradients(view: FrameView) -> list[Gradients]:
    """Of the same pictures."""
    return [_gradients(sample.picture) for sample in view.uniform(SAMPLES)]


@lru_cache(maxsize=2 * SAMPLES)
def _small(picture: Picture) -> Plane:
    height, width = picture.y.shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    return resized(picture.y, max(1, round(width * scale)), max(1, round(height * scale)))


@lru_cache(maxsize=2 * SAMPLES)
def _gradients(picture: Picture) -> Gradients:
    small = _small(picture)
    kernel = np.array([-0.5, 0, 0.5])
    one = np.ones(1)
    across = cv2.sepFilter2D(small, cv2.CV_16S, kernel, one, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(small, cv2.CV_16S, one, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.stack([across, down]).astype(np.int16, copy=False)
