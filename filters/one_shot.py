"""Whether a clip shows one shot: a second opinion on its cuts, by other means than those that found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from filters.base import Scorer
from filters.likeness.again import is_found_again
from filters.likeness.alike import alike
from filters.likeness.thumbnails import thirds
from preprocess.frames import FrameView

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SIDE_SAMPLES = 4
"""At most so many samples, two seconds, on each side of a moment are compared: in more time a pan leaves its scene."""
LEAST_SAMPLES = 2
"""On each side: one sample may be a flash, or the middle of a join."""
DOUBTFUL = 0.8
"""Only moments that divide a clip so far are looked at again; one in twenty real clips has one."""


@dataclass(frozen=True, slots=True)
class OneShotScorer(Scorer):
    """`one_shot`: from 1, no moment divides the clip, to 0, two shots have nothing in common. 1 minus how much less
    alike samples across a moment are than those on one side of it, at the moment where that is most.

    Alike, 0-1, is the mean of three: correlation of luma in its places, and what histograms of luma and of Cb and Cr
    share, wherever it is in the picture; all without regard to the light, and in each third of the picture by itself,
    so that who steps into one of them divides nothing. A pan drifts, which makes samples on one side of a moment unlike
    each other as well. Where the middle of a picture is found again beyond the moment, at another place or size, as
    after a quick zoom, the moment divides nothing. Bars that come are left out.

    A take that goes on at the same place after a jump is one shot by these measures, and so is a clip with another one
    in its first or last second: a moment has two samples on each side. A clip under 2 s has no such moment: 1.
    """

    name: ClassVar[str] = "one_shot"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "one_shot": (
            "0-1",
            "1 minus how much less alike pictures before and after a moment are than those on one side of it, at "
            "the worst moment: real clips of one shot 0.72 and more, of two unlike ones 0.3 to 0.7; 1 under 2 s, "
            "where there are too few to compare",
        ),
    }
    timed: ClassVar[tuple[str, ...]] = ("one_shot",)

    def score(self, view: FrameView) -> float:
        """From thumbnails of all samples."""
        if len(view.samples) < 2 * LEAST_SAMPLES:
            return 1.0
        whole = 1 - _breaks(np.mean([alike(*third) for third in thirds(view.samples)], axis=0))
        for moment in np.flatnonzero(whole < DOUBTFUL):
            if is_found_again(view.samples[moment : moment + 2 * LEAST_SAMPLES]):
                whole[moment] = 1
        return float(np.clip(whole.min(), 0, 1))


def _breaks(likeness: Array) -> Array:
    """The mean likeness within both sides of a moment, minus that across it, of samples (n, n): (n - 3,). The first
    moment is between the second sample and the third."""
    num = len(likeness)
    sums = np.zeros((num + 1, num + 1))
    sums[1:, 1:] = likeness.cumsum(axis=0).cumsum(axis=1)
    selves = np.append(0.0, np.diagonal(likeness).cumsum())

    def block(rows: tuple[Indices, Indices], columns: tuple[Indices, Indices]) -> Array:
        """Sum over [first, end) of both; one for each moment."""
        (top, bottom), (left, right) = rows, columns
        whole: Array = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        return whole

    def within(first: Indices, end: Indices) -> Array:
        """Mean over pairs of different samples."""
        count = end - first
        pairs: Array = block((first, end), (first, end)) - (selves[end] - selves[first])
        return pairs / (count * (count - 1))

    moments = np.arange(LEAST_SAMPLES, num - LEAST_SAMPLES + 1, dtype=np.int64)
    first, end = np.maximum(moments - SIDE_SAMPLES, 0), np.minimum(moments + SIDE_SAMPLES, num)
    across = block((first, moments), (moments, end)) / ((moments - first) * (end - moments))
    breaks: Array = (within(first, moments) + within(moments, end)) / 2 - across
    return breaks
