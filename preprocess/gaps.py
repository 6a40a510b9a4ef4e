"""What stands between two frames that were decoded, where those between them were not: a mix, if they differ little."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from preprocess.frames import Plane
from preprocess.shots.likeness import correlation
from preprocess.shots.track import Vector

QUIET_LEVELS = 10.0
"""Mean absolute difference, over luma and chroma, of two pictures up to which those between them are taken for mixes of
the two. With less, more is decoded again, from a key frame on: with 2 more than if every frame were decoded at once."""
QUIET_CORRELATION = 0.75
"""And they correlate so much at least, as `hard_cuts.MAYBE_CUT` says: dim or faint shots differ by few levels."""
SAME_LEVELS = 1.0
"""Up to which only grain differs, that of dim pictures too."""
THUMB = (32, 18)


def between(before: Plane, after: Plane, shares: Sequence[float]) -> list[Plane] | None:
    """The pictures between two, uint8 (h, w, 3), at such shares of the time; None where the two differ too much for it.

    A cut, a flash and fast motion differ. In a fade, a dissolve and slow motion a mix is what stands there, nearly; the
    edge of a wipe becomes a soft one.
    """
    if before.shape != after.shape:
        return None
    levels = cv2.norm(before, after, cv2.NORM_L1) / before.size
    if levels > QUIET_LEVELS:
        return None
    if levels > SAME_LEVELS and correlation(_thumb(before), _thumb(after)) < QUIET_CORRELATION:
        return None
    return [cv2.addWeighted(before, 1 - share, after, share, 0.0) for share in shares]


def _thumb(frame: Plane) -> Vector:
    thumb: Vector = cv2.resize(frame, THUMB, interpolation=cv2.INTER_AREA).astype(np.float32).reshape(-1)
    return thumb
