"""How far apart the dark and the bright parts of a picture lie: fog, haze and washed-out fades score low."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Scorer
from preprocess.frames import FrameView, Plane

FRAMES = 4
SHARE_CUT = 0.05
"""Percentiles 5 and 95: a small lamp or a thin black border is no contrast of the scene."""


@dataclass(frozen=True, slots=True)
class ContrastScorer(Scorer):
    """`contrast`: distance of the 5th and 95th percentile of luma, 0-255, mean of four frames."""

    name: ClassVar[str] = "contrast"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "contrast": ("0-255", "95th minus 5th percentile of luma"),
    }

    def score(self, view: FrameView) -> float:
        """Always measured."""
        return contrast(view)


def contrast(view: FrameView) -> float:
    """See `ContrastScorer`."""
    return float(np.mean([_spread(sample.luma) for sample in view.uniform(FRAMES)]))


def _spread(luma: Plane) -> int:
    below = np.cumsum(np.bincount(luma.ravel(), minlength=256)) / luma.size
    return int(np.searchsorted(below, 1 - SHARE_CUT) - np.searchsorted(below, SHARE_CUT))
