"""How much of a clip is black: leaders, fades and gaps between programmes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Scorer
from preprocess.frames import FrameView

BLACK_LUMA = 12.0
"""Mean full-range luma below which a frame may be black; noise and coding leave real black at 0 to 6."""
BLACK_SPREAD = 8.0
"""A night scene is as dark on average, but its lamps and faces spread further than this."""


@dataclass(frozen=True, slots=True)
class BlackFractionScorer(Scorer):
    """`black_fraction`: share of the clip's frames that are black or nearly so, 0-1."""

    name: ClassVar[str] = "black_fraction"

    def score(self, view: FrameView) -> float | None:
        """Reads the frame signals only."""
        signals = view.signals
        black = (signals.luma_mean < BLACK_LUMA) & (signals.luma_std < BLACK_SPREAD)
        return float(np.mean(black)) if black.size else None
