"""How much of a clip stands still like a photograph: slides, stalled streams, held frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from filters.base import Scorer
from filters.stills.places import shows_one_picture, some_place_moves, stretches
from filters.stills.runs import MENDING_CHANGE, SAME_CHANGE, SHORTEST_SECONDS, STILLS_SHARE, held, mended_runs
from preprocess.frames import FrameView

AT_ONCE = 0.5
"""Of all change between two samples, that of one frame where a held picture has given way to another one, or a key
frame has come that is coded anew: 0.8 and more at crf 40. A part of the picture that moves, too small to count in the
mean, has its change in many frames."""
PICTURES_SHARE = 0.4
"""Of a row of pictures, at least, lies between two samples of one picture: half where one is shown for a second."""


@dataclass(frozen=True, slots=True)
class FreezeFractionScorer(Scorer):
    """`freeze_fraction`: share of the clip's time, 0-1, in frames that show what the one before shows, grain and
    coding apart, over more than half a second, or in a row of held pictures."""

    name: ClassVar[str] = "freeze_fraction"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "freeze_fraction": (
            "0-1",
            "share of the time in frames that repeat the one before in runs of over half a second, grain and "
            "coding apart, or in a row of stills",
        ),
    }
    timed: ClassVar[tuple[str, ...]] = ("freeze_fraction",)

    def score(self, view: FrameView) -> float | None:
        """From the signals of every frame, and from the places that change between samples; None for one frame."""
        return frozen_fraction(view)


@lru_cache(maxsize=1)
def frozen_fraction(view: FrameView) -> float | None:
    """See `FreezeFractionScorer`."""
    signals, samples = view.signals, view.samples
    if len(signals.change) < 2:
        return None
    change = np.nan_to_num(signals.change, nan=0.0)
    frozen = held(change, signals.seconds)
    stands, jumps, quiet = np.zeros(len(change), np.bool_), np.zeros(len(change), np.bool_), SAME_CHANGE
    for stretch in stretches(samples):
        begin = -np.inf if stretch.first == 0 else samples[stretch.first].seconds
        end = np.inf if stretch.last == len(samples) - 1 else samples[stretch.last].seconds
        within = (signals.seconds > begin) & (signals.seconds <= end)
        most = change[within].max(initial=0.0)
        if stretch.still or (not stretch.changes and most <= MENDING_CHANGE):
            sampled = within & (signals.seconds <= samples[stretch.last].seconds)
            quiet = max(quiet, 2 * change[sampled].max(initial=0.0))
            stands |= within
        elif most >= AT_ONCE * change[within].sum() and not some_place_moves(samples, stretch.first):
            jumps |= within
        elif stretch.changes:
            frozen &= ~within
    settled = (stands | jumps) & (change <= quiet)
    if stands.mean() >= STILLS_SHARE or (stands.mean() >= PICTURES_SHARE and settled.mean() >= STILLS_SHARE):
        frozen |= settled
    for first, end in mended_runs(change, signals.seconds):
        frozen[first:end] |= shows_one_picture(samples, signals.seconds[first - 1], signals.seconds[end - 1])
    return _share_of_time(frozen, signals.seconds, view.clip.end_seconds)


def _share_of_time(frozen: npt.NDArray[np.bool_], seconds: npt.NDArray[np.float64], end_seconds: float) -> float:
    """Of frozen frames, and of the time that others stand beyond the clip's usual pace, where that is long: a picture
    that is shown once, for seconds, stands as one does that is repeated."""
    shown = np.diff(np.append(seconds, max(end_seconds, seconds[-1])))
    usual = float(np.median(shown))
    beyond = np.where(shown > SHORTEST_SECONDS + usual, shown - usual, 0.0)
    whole = float(shown.sum())
    return float(np.where(frozen, shown, beyond).sum() / whole) if whole > 0 else float(frozen.mean())
