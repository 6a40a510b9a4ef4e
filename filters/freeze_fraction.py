"""How much of a clip stands still like a photograph: slides, stalled streams, held frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import Scorer
from preprocess.frames import FrameView, Sample

SAME_CHANGE = 0.025
"""Mean absolute difference, 0-255, up to which a frame repeats the one before: a still picture under x264 stays within
0.02 at crf 18 to 30."""
SHORTEST_SECONDS = 0.5
"""Animation on twos or fours and 8 fps film in a 24 fps file repeat frames too, for a third of a second at most."""
SLIDE_SECONDS, STILLS_SHARE = 0.3, 0.75
"""Where holds of such a length make up so much of a clip, it is a row of pictures: two or three of them a second. What
only grain and coding change counts where it makes up as much: in a film things stand still for a second, too."""
STILL_SHARE = 0.12
"""Of the contrast of the picture: the most that any place of it changes between two samples, half a second apart, where
it stands still. Grain of three levels makes 0.03 of it, x264 at crf 40 up to 0.10; a camera that comes nearer by 1 % a
second 0.15 and more, and a dot that crosses a still picture as much as it stands out."""
JUMP = 0.5
"""Mean absolute difference of frames from which a held picture has given way to another one. Where all is below that
and yet some place changes, a part of the picture moves, too small to count in the mean."""
SETTLING_CHANGE = 0.15
"""Mean absolute difference of frames while a hasty encoder mends a picture that has come: x264 superfast stays under
0.12, for a second. So much counts where no place of the picture changes, and only in a row of pictures."""
PICTURES_SHARE = 0.4
"""Of a row of pictures, at least, lies between two samples of one picture: half where one is shown for a second."""
LEAST_CONTRAST, MOST_CONTRAST = 12.0, 130.0
"""Levels that the contrast counts for at least and at most."""


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
    signals = view.signals
    if len(signals.change) < 2:
        return None
    change = np.nan_to_num(signals.change, nan=0.0)
    frozen = _held(np.nan_to_num(signals.change, nan=np.inf) <= SAME_CHANGE, signals.seconds)
    stands, jumps, quiet = np.zeros(len(change), np.bool_), np.zeros(len(change), np.bool_), SAME_CHANGE
    for first, last, still, changes in _stretches(view.samples):
        begin = -np.inf if first == 0 else view.samples[first].seconds
        end = np.inf if last == len(view.samples) - 1 else view.samples[last].seconds
        within = (signals.seconds > begin) & (signals.seconds <= end)
        settles = not changes and change[within].max(initial=0.0) <= SETTLING_CHANGE
        if still or settles:
            sampled = within & (signals.seconds <= view.samples[last].seconds)
            quiet = max(quiet, 2 * change[sampled].max(initial=0.0))
            stands |= within
        elif change[within].max(initial=0.0) >= JUMP:
            jumps |= within
        elif changes:
            frozen &= ~within
    settled = (stands | jumps) & (change <= quiet)
    if stands.mean() >= STILLS_SHARE or (stands.mean() >= PICTURES_SHARE and settled.mean() >= STILLS_SHARE):
        frozen |= settled
    return _share_of_time(frozen, signals.seconds, view.clip.end_seconds)


def _share_of_time(frozen: npt.NDArray[np.bool_], seconds: npt.NDArray[np.float64], end_seconds: float) -> float:
    """Of frozen frames, and of the time that others stand beyond the clip's usual pace, where that is long: a picture
    that is shown once, for seconds, stands as one does that is repeated."""
    shown = np.diff(np.append(seconds, max(end_seconds, seconds[-1])))
    usual = float(np.median(shown))
    beyond = np.where(shown > SHORTEST_SECONDS + usual, shown - usual, 0.0)
    whole = float(shown.sum())
    return float(np.where(frozen, shown, beyond).sum() / whole) if whole > 0 else float(frozen.mean())


def _stretches(samples: Sequence[Sample]) -> list[tuple[int, int, bool, bool]]:
    """From which sample to which there are stretches, whether they stand still, as nothing changes in them but grain
    and coding, from one to the next and over all, and whether some place changes. One that stands still has three
    samples at least; another one has two, of which half as much change as between three is much."""
    limit = STILL_SHARE * _contrast(samples[0])
    smooth = [cv2.blur(sample.luma.astype(np.float32), (3, 3)) for sample in samples]
    largest = [_largest_change(one, other) for one, other in pairwise(smooth)]
    steps = [change <= limit for change in largest]
    found, at = [], 0
    while at < len(steps):
        end = at
        while end < len(steps) and steps[end] and _largest_change(smooth[at], smooth[end + 1]) <= limit:
            end += 1
        still = end - at >= 2
        found.append((at, end if still else at + 1, still, largest[at] > limit / 2))
        at = found[-1][1]
    return found


def _held(repeats: npt.NDArray[np.bool_], seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which frames repeat their predecessors for long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], repeats, [False]]).astype(np.int8)))
    long, slides = np.zeros(len(repeats), np.bool_), np.zeros(len(repeats), np.bool_)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        held_seconds = seconds[end - 1] - seconds[first - 1]
        long[first:end] = held_seconds > SHORTEST_SECONDS
        slides[first:end] = held_seconds > SLIDE_SECONDS
    return slides if slides.mean() >= STILLS_SHARE else long


def _contrast(sample: Sample) -> float:
    """Distance of the 5th and the 95th percentile of luma."""
    low, high = np.percentile(sample.luma, [5, 95])
    return float(np.clip(high - low, LEAST_CONTRAST, MOST_CONTRAST))


def _largest_change(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """The largest difference over the places of two lumas; a place is 3 x 3 pixels, in which grain cancels."""
    return cv2.norm(one, other, cv2.NORM_INF) if one.shape == other.shape else np.inf
