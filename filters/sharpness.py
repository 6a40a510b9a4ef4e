"""How sharp the pictures of a clip are: out-of-focus and shaken clips score low."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np

from filters.base import Scorer
from preprocess.frames import FrameView, Picture, Plane

FRAMES = 4
"""As EasyAnimate samples for its picture scores."""
COMMON_LONG_SIDE = 480
"""Pictures are compared at this size, whatever the source's; at 1280x720 a blur of 2 pixels still shows in it."""
EDGE_SHARE = 0.004
"""Only the strongest steps are judged: a sharp subject may be a fiftieth of the picture, before what is out of focus.
So few are also edges of things, and not those of a codec's blocks or noise, which are many and weaker."""


@dataclass(frozen=True, slots=True)
class SharpnessScorer(Scorer):
    """`sharpness`: 0 (no edge narrower than about ten pixels in 480) to 1 (pixel-sharp), median of four frames.

    How much of the local variation a small blur takes away, after F. Crete et al., The blur effect (2007): blurring
    what is blurred changes little. As a ratio it does not grow with contrast or amount of detail, as the variance of
    the Laplacian does, and a 3x3 median first keeps noise from passing for detail. The edges of letters or a logo over
    a soft picture are edges, too. Damage done to sharp pictures is for `blockiness` and `noise` to see, and what an
    enlarged picture lacks at full size for `resolution`.
    """

    name: ClassVar[str] = "sharpness"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "sharpness": (
            "0-1",
            "loss of gradient under a further blur at the strongest edges, at one size for all videos",
        ),
    }

    def score(self, view: FrameView) -> float | None:
        """None where no frame has any edge."""
        return sharpness(view)


def sharpness(view: FrameView) -> float | None:
    """See `SharpnessScorer`; about 0.5 ms a frame."""
    values = [_picture_sharpness(sample.picture) for sample in view.uniform(FRAMES)]
    measured = [value for value in values if value is not None]
    return float(np.median(measured)) if measured else None


@lru_cache(maxsize=2 * FRAMES)  # `visual_quality` asks for the same pictures
def _picture_sharpness(picture: Picture) -> float | None:
    luma = picture.y
    height, width = luma.shape
    scale = COMMON_LONG_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    clean = cv2.medianBlur(luma, 3)
    values = [value for axis in (0, 1) if (value := _axis_sharpness(clean, axis)) is not None]
    return min(values) if values else None


def _axis_sharpness(luma: Plane, axis: int) -> float | None:
    """Share of the strongest steps between neighbours along an axis that a 9-tap mean along it removes."""
    blurred = cv2.blur(luma, (1, 9) if axis == 0 else (9, 1))
    if axis == 0:
        steps, left = cv2.absdiff(luma[1:], luma[:-1]), cv2.absdiff(blurred[1:], blurred[:-1])
    else:
        steps, left = cv2.absdiff(luma[:, 1:], luma[:, :-1]), cv2.absdiff(blurred[:, 1:], blurred[:, :-1])
    if steps is None or steps.size == 0:
        return None
    counts = cv2.calcHist([steps], [0], None, [256], [0, 256]).ravel()
    strongest = np.flatnonzero(steps >= max(2, int(np.searchsorted(np.cumsum(counts) / steps.size, 1 - EDGE_SHARE))))
    before = steps.ravel()[strongest]
    total = float(before.sum(dtype=np.int64))
    if total == 0:
        return None
    return float(cv2.subtract(before, left.ravel()[strongest]).sum(dtype=np.int64)) / total
