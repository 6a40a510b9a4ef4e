"""One number for the faults of a picture: soft, enlarged, over-compressed, noisy, black, blown out or washed out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Scorer
from filters.blockiness import blockiness
from filters.noise import noise
from filters.resolution import resolution
from filters.sharpness import sharpness
from preprocess.frames import FrameView, Plane

FRAMES = 4
RESOLUTION_RAMP = (60.0, 480.0)
"""Pixels of the shorter side, by their logarithm: half is 170. Of pictures that are smaller than 480, so much less: how
small they are, `short_side` says."""
SHARPNESS_RAMP = (0.2, 0.5)
"""A subject of a fiftieth of the picture before blur gives 0.46 and more, a Gaussian of sigma 6 at 1280 about 0.35."""
BLOCKINESS_RAMP = (0.7, 0.05)
NOISE_RAMP = (28.0, 1.0)
"""Grey levels. Sensor noise and film grain are under 10; noise of 32, some of which is cut off, reads 28 to 32."""
DARK_RAMP = (6.0, 20.0)
"""Of the brightest fiftieth of the picture: a night at 0.15 of the light of day has 30 there, at 0.05 about 10."""
BURNT_LUMA = 250
BLOWN_RAMP = (0.95, 0.6)
"""Of the share of the picture at `BURNT_LUMA` and more: snow has next to none."""
CONTRAST_RAMP = (0.015, 0.06)
"""Of (bright - dark) / (bright + dark), for percentiles 98 and 2: a night has that of the day; fog has 0.1."""


@dataclass(frozen=True, slots=True)
class VisualQualityScorer(Scorer):
    """`visual_quality`: 0 (nothing to be seen but damage) to 1 (all lines, or 480 of them, are resolved, and no fault).

    The product of ramps, each 0 at the first number of its ramp and 1 at the second: `resolution`, `sharpness`,
    `blockiness`, `noise`, and whether there is a picture at all (not black, not blown out, not flat). A clip has to be
    good at all of them. Of sound clips it ranks by what they resolve: real ones at 720p have 0.4 to 1. Night, fog, snow
    and what is out of focus behind a subject are no faults.
    """

    name: ClassVar[str] = "visual_quality"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "visual_quality": (
            "0-1",
            "by what is resolved, lowered by blocks, noise and blur; near 0 for badly damaged, black, blown out "
            "or flat pictures",
        ),
    }

    def score(self, view: FrameView) -> float:
        """A clip without a single edge has no quality: 0. What cannot be measured of tiny frames is not counted."""
        size = min(view.clip.width, view.clip.height)
        lines = resolution(view)
        full = min(size, RESOLUTION_RAMP[1])
        resolved = RESOLUTION_RAMP[1] * (1.0 if lines is None else lines / full)
        return (
            _ramp(math.log(max(1.0, resolved)), _logarithms(RESOLUTION_RAMP))
            * _ramp(sharpness(view) or 0.0, SHARPNESS_RAMP)
            * _ramp(blockiness(view) or 0.0, BLOCKINESS_RAMP)
            * _ramp(noise(view) or 0.0, NOISE_RAMP)
            * float(np.median([_visible(sample.luma) for sample in view.uniform(FRAMES)]))
        )


def _visible(luma: Plane) -> float:
    """Whether there is something to be seen, 0-1: light, not too much of it, and differences."""
    below = np.cumsum(np.bincount(luma.ravel(), minlength=256)) / luma.size
    dark, bright = (float(np.searchsorted(below, share)) for share in (0.02, 0.98))
    burnt = 1.0 - float(below[BURNT_LUMA - 1])
    difference = (bright - dark) / max(1.0, bright + dark)
    return _ramp(bright, DARK_RAMP) * _ramp(burnt, BLOWN_RAMP) * _ramp(difference, CONTRAST_RAMP)


def _logarithms(ends: tuple[float, float]) -> tuple[float, float]:
    return math.log(ends[0]), math.log(ends[1])


def _ramp(value: float, ends: tuple[float, float]) -> float:
    """From 0 at the first end to 1 at the second, straight, so that what lies between keeps its order."""
    return min(1.0, max(0.0, (value - ends[0]) / (ends[1] - ends[0])))
