"""How noisy a clip's pictures are: sensors in the dark, analogue sources, film grain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np

from filters.base import Scorer
from preprocess.detail import TILE, Detail
from preprocess.frames import FrameView

FRAMES = 3
BLOCK = 8
FLAT_SHARE = 0.2
"""The fifth of the blocks with the least in it is taken for free of detail."""
FLAT_BIAS = 0.82
"""Of nothing but white noise, that fifth has this much of the standard deviation."""
CLIPPED = (3.0, 249.0)
"""Mean levels at and beyond which noise is cut off: black bars, burnt-out skies."""
LEAST_BLOCKS = 32
_SECOND_DIFFERENCE = np.array([1, -2, 1], np.float32)
_INNER = np.pad(np.full((BLOCK - 2, BLOCK - 2), BLOCK**2 / (BLOCK - 2) ** 2, np.float32), 1)
"""The outermost pixels of a block do not count: their neighbours are in the next one, behind a border."""
_INNER_OF_A_ROW = np.tile(_INNER, (1, TILE // BLOCK))


@dataclass(frozen=True, slots=True)
class NoiseScorer(Scorer):
    """`noise`: standard deviation of white noise in luma, in grey levels of 255, median of three frames; at least 0.

    After J. Immerkaer, Fast noise variance estimation (1996): what a second difference along both axes leaves, which
    is blind to slopes and to edges along an axis, here of the flattest fifth of the 8x8 blocks at full size. Right
    within a fifth from 2 to 32 levels on most pictures; one that is fine texture from edge to edge (grass, gravel)
    reads 4 to 10 without any noise. A codec at low bitrate takes noise away, and then it is not there to be measured.
    """

    name: ClassVar[str] = "noise"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "noise": ("levels", "standard deviation of noise in luma of 0-255, at full size, of the flattest parts"),
    }

    def score(self, view: FrameView) -> float | None:
        """None where next to everything is black or white, and for frames with a side under 64 pixels."""
        return noise(view)


def noise(view: FrameView) -> float | None:
    """See `NoiseScorer`; about 0.2 ms a frame."""
    values = [value for sample in view.uniform(FRAMES) if (value := noise_of(sample.detail)) is not None]
    return float(np.median(values)) if values else None


@lru_cache(maxsize=2 * FRAMES)  # `resolution` and `visual_quality` ask for the same frames
def noise_of(detail: Detail) -> float | None:
    """Of one frame; None where there is nothing to look at."""
    if not len(detail.tiles):
        return None
    lines = detail.tiles.reshape(-1, TILE)
    curvature = cv2.sepFilter2D(lines, cv2.CV_32F, _SECOND_DIFFERENCE, _SECOND_DIFFERENCE)
    np.abs(curvature, out=curvature)
    size = (TILE // BLOCK, len(lines) // BLOCK)
    blocks = curvature.reshape(size[1], BLOCK, TILE)
    blocks *= _INNER_OF_A_ROW
    means = cv2.resize(curvature, size, interpolation=cv2.INTER_AREA)
    levels = cv2.resize(lines, size, interpolation=cv2.INTER_AREA)
    usable = means[(levels > CLIPPED[0]) & (levels < CLIPPED[1])]
    if usable.size < LEAST_BLOCKS:
        return None
    nth = int(FLAT_SHARE * usable.size)
    # the mean of |x| is sqrt(2 / pi) sigma, and the squares of the kernel add up to 36
    return float(np.partition(usable, nth)[nth]) * math.sqrt(math.pi / 2) / 6 / FLAT_BIAS
