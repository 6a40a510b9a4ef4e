"""What stands between two frames that were decoded, where those between them were not: a mix, if they differ little."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from preprocess.frames import Plane

QUIET_LEVELS = 6.0
"""Mean absolute difference, over luma and chroma, of two pictures up to which those between them are taken for mixes of
the two. With 10 a shaken camera gave a false cut; with 2 the pass decodes more than every frame, as what it lacks is
decoded from a key frame on."""


def between(before: Plane, after: Plane, shares: Sequence[float]) -> list[Plane] | None:
    """The pictures between two, uint8 (h, w, 3), at such shares of the time; None where the two differ too much for it.

    A cut, a flash and fast motion differ. In a fade, a dissolve and slow motion a mix is what stands there, nearly; the
    edge of a wipe becomes a soft one.
    """
    if before.shape != after.shape or cv2.norm(before, after, cv2.NORM_L1) > QUIET_LEVELS * before.size:
        return None
    return [cv2.addWeighted(before, 1 - share, after, share, 0.0) for share in shares]
