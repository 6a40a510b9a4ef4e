"""Whether pictures show a place again, seen from nearer, from farther or from one side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from filters.likeness.thumbnails import size_at, small
from preprocess.frames import Plane, Sample

Detail = npt.NDArray[np.float32]

PART_LONG_SIDE = 64
"""Pixels of the pictures in which a part is looked for."""
PART = 0.7
"""Of each side of a picture, in the middle: what stays in view where the camera moves."""
SCALES = (1.0, 0.85, 0.7, 0.6, 0.5)
"""At which the part is looked for: a zoom of up to 2."""
FINE_PIXELS, FINE_LEVELS = 2.0, 0.5
"""Detail finer than a blur of such a sigma is compared: any two pictures have large light and dark places in common.
Where its standard deviation is less there is too little of it."""
SAME_PART = 0.6
"""Correlation of detail from which the part is found again. Of real shots that are joined 97 of 100 stay below it; of
those that are enlarged by 1.4 or 2 from one frame to the next 8 of 10 are above."""


def is_found_again(samples: Sequence[Sample]) -> bool:
    """Whether the middle of a sample in the first half is found at any place of one in the second half, or the other
    way round, at any of the scales."""
    half = len(samples) // 2
    pictures = [small(sample.luma, size_at(sample, PART_LONG_SIDE)) for sample in samples]
    details = [_detail(picture) for picture in pictures]
    for one, other in product(range(half), range(half, len(samples))):
        for here, there in ((one, other), (other, one)):
            if any(_correlation(part, details[there]) >= SAME_PART for part in _parts(pictures[here])):
                return True
    return False


def _parts(picture: Plane) -> Iterator[Detail]:
    """Detail of the middle of a picture at each of the scales."""
    middle = _middle(picture)
    for scale in SCALES:
        width, height = (max(1, round(side * scale)) for side in middle.shape[::-1])
        yield _detail(cv2.resize(middle, (width, height), interpolation=cv2.INTER_AREA))


def _detail(picture: Plane) -> Detail:
    """What a blur takes away."""
    levels = picture.astype(np.float32)
    fine: Detail = levels - cv2.GaussianBlur(levels, (0, 0), FINE_PIXELS)
    return fine


def _correlation(part: Detail, whole: Detail) -> float:
    """The highest over all places; 0 where there is nothing to compare."""
    if part.std() < FINE_LEVELS:
        return 0.0
    return float(cv2.matchTemplate(whole, part, cv2.TM_CCOEFF_NORMED).max())


def _middle(picture: Plane) -> Plane:
    """`PART` of each side, at least a pixel."""
    top, left = (int(side * (1 - PART) / 2) for side in picture.shape)
    return picture[top : picture.shape[0] - top, left : picture.shape[1] - left]
