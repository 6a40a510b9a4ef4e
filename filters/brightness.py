"""How bright a clip is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Score, Scorer
from preprocess.frames import FrameView

FRAMES = 4


@dataclass(frozen=True, slots=True)
class BrightnessScorer(Scorer):
    """`brightness`: mean full-range luma of four frames, 0 (black) to 255 (white)."""

    name: ClassVar[str] = "brightness"
    columns: ClassVar[Mapping[str, type[float] | type[int] | type[str]]] = {"brightness": float}

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Always measured."""
        return {"brightness": brightness(view)}


def brightness(view: FrameView) -> float:
    """See `BrightnessScorer`."""
    return float(np.mean([sample.luma.mean() for sample in view.uniform(FRAMES)]))
