"""How much of a clip's sound was recorded too loud, so that its peaks are cut off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Heard, SoundScorer

FULL_SCALE = 1 - 2**-15
"""The largest number of 16 bits. Lossy codecs make flat peaks wavy: of 12 % that were cut off, Opus leaves 4 % at or
beyond full scale, AAC 0.2 %."""
RUN_SAMPLES = 3
"""Audacity's `Find Clipping` counts from three in a row; one may be a peak that just fits."""


@dataclass(frozen=True, slots=True)
class ClippingScorer(SoundScorer):
    """`clipping`: share of samples, of all channels, in runs at full scale."""

    name: ClassVar[str] = "clipping"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "clipping": (
            "0-1",
            "share of samples at or beyond full scale, three or more in a row: peaks that are cut off, of which lossy "
            "codecs leave a part",
        )
    }
    timed: ClassVar[tuple[str, ...]] = ("clipping",)

    def score(self, heard: Heard) -> float:
        """Either sign: what jumps from one end to the other is a run, too."""
        full = np.abs(heard.samples) >= FULL_SCALE
        if not full.any():
            return 0.0
        edges = np.diff(np.pad(full, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
        return float(lengths[lengths >= RUN_SAMPLES].sum() / full.size)
