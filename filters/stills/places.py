"""Whether any place of a picture changes between samples, grain and coding apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.frames import Plane, Sample

STILL_SHARE = 0.12
"""Of the contrast of the picture: the most that any place of it changes between two samples, half a second apart, where
it stands still. Grain of three levels makes 0.03 of it, x264 at crf 40 up to 0.10; a camera that comes nearer by 1 % a
second 0.15 and more, and a dot that crosses a still picture as much as it stands out."""
LEAST_CONTRAST, MOST_CONTRAST = 12.0, 130.0
"""Levels that the contrast counts for at least and at most."""

SIDE = 3
"""Pixels of a place, in which grain cancels."""

Sums = npt.NDArray[np.uint16]
"""A luma (h, w) added up over the place around each pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Time between two samples, or more of them."""

    first: int
    last: int
    """Numbers of the samples."""
    still: bool
    """Nothing changes but grain and coding, from one sample to the next and over all; of three samples at least."""
    changes: bool
    """Some place changes: of two samples, half as much as between three is much."""


def stretches(samples: Sequence[Sample]) -> list[Stretch]:
    """All of the clip's, in order."""
    limit = STILL_SHARE * _contrast(samples[0])
    sums = [_sums(sample.luma) for sample in samples]
    largest = [_largest_change(one, other) for one, other in pairwise(sums)]
    steps = [change <= limit for change in largest]
    found, at = list[Stretch](), 0
    while at < len(steps):
        end = at
        while end < len(steps) and steps[end] and _largest_change(sums[at], sums[end + 1]) <= limit:
            end += 1
        still = end - at >= 2
        last = end if still else at + 1
        found.append(Stretch(first=at, last=last, still=still, changes=largest[at] > limit / 2))
        at = last
    return found


def some_place_moves(samples: Sequence[Sample], number: int) -> bool:
    """Whether some place changes from a sample to its pair, 1/12 s later; also where it has none."""
    pair = samples[number].pair_luma
    return pair is None or not _alike(samples, [samples[number].luma, pair])


def shows_one_picture(samples: Sequence[Sample], begin: float, end: float) -> bool:
    """Whether no place changes between the samples and their pairs of that time, in seconds; no where one is all."""
    lumas = [sample.luma for sample in samples if begin <= sample.seconds <= end]
    lumas += [
        sample.pair_luma
        for sample in samples
        if sample.pair_luma is not None and begin <= sample.seconds and sample.seconds + sample.pair_seconds <= end
    ]
    return len(lumas) > 1 and _alike(samples, lumas)


def _alike(samples: Sequence[Sample], lumas: Sequence[Plane]) -> bool:
    limit = STILL_SHARE / 2 * _contrast(samples[0])
    sums = [_sums(luma) for luma in lumas]
    return all(_largest_change(sums[0], other) <= limit for other in sums[1:])


def _contrast(sample: Sample) -> float:
    """Distance of the 5th and the 95th percentile of luma."""
    low, high = np.percentile(sample.luma, [5, 95])
    return float(np.clip(high - low, LEAST_CONTRAST, MOST_CONTRAST))


def _sums(luma: Plane) -> Sums:
    return np.asarray(cv2.boxFilter(luma, cv2.CV_16U, (SIDE, SIDE), normalize=False))


def _largest_change(one: Sums, other: Sums) -> float:
    """In levels, over all places."""
    return cv2.norm(one, other, cv2.NORM_INF) / SIDE**2 if one.shape == other.shape else np.inf
