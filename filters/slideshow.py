"""Whether a film is made of pictures that stand still: slides, photographs with sound, an album's cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Rows, Score, Scorer
from filters.freeze_fraction import frozen_fraction
from preprocess.frames import FrameView


@dataclass(frozen=True, slots=True)
class SlideshowScorer(Scorer):
    """`slideshow`: share of the time of a source's clips, 0-1, in which the picture stands still; of all clips that are
    measured together, so that a single still in a film is none. Null where no clip has two frames."""

    name: ClassVar[str] = "slideshow"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "slideshow": ("0-1", "share of the time of the source's clips that stands still"),
    }
    timed: ClassVar[tuple[str, ...]] = ("slideshow",)
    together: ClassVar[bool] = True

    def score(self, view: FrameView) -> Score:
        """Of the clip alone."""
        return self.scores([self.look(view)], [{}])[0]["slideshow"]

    def look(self, view: FrameView) -> tuple[float, float] | None:
        """Seconds that stand still, and all seconds."""
        frozen = frozen_fraction(view)
        seconds = view.clip.duration_seconds
        return None if frozen is None else (frozen * seconds, seconds)

    def scores(self, looks: Sequence[tuple[float, float] | None], rows: Rows) -> Sequence[Mapping[str, Score]]:
        """One number for all of them."""
        known = np.array([look for look in looks if look is not None], np.float64).reshape(-1, 2)
        share = float(known[:, 0].sum() / known[:, 1].sum()) if len(known) else None
        return [{"slideshow": share}] * len(looks)
