"""Cuts to the same picture seen from nearer, from farther, from one side, or in a mirror: what flow takes for motion.

A zoom goes on for some frames; a punch-in is one step, with the size of things steady before and after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.shots.track import Plane, Track

Detail = npt.NDArray[np.float32]

LONG_SIDE = 80
"""Pixels of the pictures that are compared: enough detail to be found by, a quarter of the time of 160."""
SIZES = (0.83, 0.79, 0.75, 0.71, 0.67, 0.63, 0.59, 0.55, 0.5)
"""Of one picture within the other: what zooms in by less is hardly seen."""
SAME_SIZE = (1.0, 0.96, 0.92, 0.88)
"""A zoom of up to 1.15 a step is a steady size."""
MIDDLE = 0.8
"""Part of each side of a picture that is looked for at its own size: things move."""
FINE_PIXELS, FINE_LEVELS = 2.0, 0.5
"""Detail finer than a blur of such a sigma is compared; with less than such a deviation there is too little of it."""
FOUND = 0.4
"""Correlation of detail from which a picture is found."""
CLEARLY = 0.15
"""By so much is it better found at another size than at its own."""
STEADY_FRAMES = (1, 2, 3)
"""So many frames away, at up to 30 a second, things have the size that they have beside the cut."""


def is_reframed(track: Track, at: int, stride: int) -> bool:
    """Whether frame `at` shows the picture of the one before it at another size or mirrored, all at once."""
    before, after = _detail(track.luma(at - 1)), _detail(track.luma(at))
    if min(before.std(), after.std()) < FINE_LEVELS:
        return False
    same = _found(before, after, SAME_SIZE)
    if same > 1 - CLEARLY:
        return False
    least = max(FOUND, same + CLEARLY)
    mirrored = np.ascontiguousarray(after[:, ::-1])
    seen = _found(before, mirrored, SAME_SIZE[:1]) > least or _found(before, after, SIZES) > least
    return seen and _is_steady(track, at, stride)


def _is_steady(track: Track, at: int, stride: int) -> bool:
    """Whether things keep their size in the frames before the cut at frame `at`, and in those after it."""
    pairs = [(at - 1, at - 1 - away * stride) for away in STEADY_FRAMES]
    pairs += [(at, at + away * stride) for away in STEADY_FRAMES]
    for beside, other in pairs:
        if track.first <= other < track.end:
            one, two = _detail(track.luma(beside)), _detail(track.luma(other))
            if _found(one, two, SIZES) > _found(one, two, SAME_SIZE):
                return False
    return True


def _found(one: Detail, other: Detail, sizes: Sequence[float]) -> float:
    """The highest correlation of either picture, at any of the sizes, with a place in the other."""
    return max(_correlation(part, whole, size) for part, whole in ((one, other), (other, one)) for size in sizes)


def _correlation(part: Detail, whole: Detail, size: float) -> float:
    height, width = part.shape
    if size > MIDDLE:  # its borders may have left the picture
        top, left = (round(side * (1 - MIDDLE / size) / 2) for side in (height, width))
        part = part[top : height - top, left : width - left]
    shape = max(1, round(part.shape[1] * size)), max(1, round(part.shape[0] * size))
    shrunk = part if size == 1 else cv2.resize(part, shape, interpolation=cv2.INTER_AREA)
    return float(cv2.matchTemplate(whole, shrunk, cv2.TM_CCOEFF_NORMED).max())


def _detail(luma: Plane) -> Detail:
    """What a blur takes away from a small picture."""
    scale = min(1.0, LONG_SIDE / max(luma.shape))
    shape = max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale))
    small = cv2.resize(luma, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
    fine: Detail = small - cv2.GaussianBlur(small, (0, 0), FINE_PIXELS)
    return fine
