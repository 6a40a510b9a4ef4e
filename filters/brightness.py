"""How bright a clip is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Scorer
from preprocess.frames import FrameView

FRAMES = 4


@dataclass(frozen=True, slots=True)
class BrightnessScorer(Scorer):
    """`brightness`: mean full-range luma of four frames, 0 (black) to 255 (white)."""

    name: ClassVar[str] = "brightness"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "brightness": ("0-255", "mean luma, full range"),
    }

    def score(self, view: FrameView) -> float:
        """Always measured."""
        return brightness(view)


def brightness(view: FrameView) -> float:
    """See `BrightnessScorer`."""
    return float(np.mean([sample.luma.mean() for sample in view.uniform(FRAMES)]))
