"""How much of a clip stands still like a photograph: slides, stalled streams, held frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Scorer
from preprocess.frames import FrameView

SAME_CHANGE = 0.025
"""Mean absolute difference, 0-255, up to which a frame repeats the one before: a still picture under x264 stays within
0.02 at crf 18 to 30, sensor noise of two grey levels that survives coding starts at 0.04."""
SHORTEST_SECONDS = 0.5
"""Animation on twos or fours and 8 fps film in a 24 fps file repeat frames too, for a third of a second at most."""


@dataclass(frozen=True, slots=True)
class FreezeFractionScorer(Scorer):
    """`freeze_fraction`: share of the clip's frames that only repeat the one before, in runs of over half a second."""

    name: ClassVar[str] = "freeze_fraction"

    def score(self, view: FrameView) -> float | None:
        """Reads the frame signals only; None for a clip of one frame."""
        signals = view.signals
        if len(signals.change) < 2:
            return None
        repeats = np.nan_to_num(signals.change, nan=np.inf) <= SAME_CHANGE
        edges = np.flatnonzero(np.diff(np.concatenate([[False], repeats, [False]]).astype(np.int8)))
        frozen = 0
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            held_seconds = signals.seconds[end - 1] - signals.seconds[first - 1]
            if held_seconds > SHORTEST_SECONDS:
                frozen += int(end - first)
        return frozen / len(repeats)
