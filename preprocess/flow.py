"""Optical flow by DIS over planes of any shape, down to a single pixel."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
_Plane = npt.NDArray[np.uint8]

SAFE_SIDE = 32
"""OpenCV's DIS reads out of bounds on strips: 16x256 and 160x10 crash it. Shorter sides are padded to this."""


def displacements(flow: cv2.DISOpticalFlow, a: _Plane, b: _Plane, start: Field | None = None) -> Field:
    """Pixel displacements (h, w, 2) from `a` to `b`, both uint8 (h, w), found from `start` (h, w, 2) on."""
    height, width = a.shape
    border = (0, max(0, SAFE_SIDE - height), 0, max(0, SAFE_SIDE - width), cv2.BORDER_REPLICATE)
    if any(border[:4]):
        a, b = (cv2.copyMakeBorder(plane, *border).astype(np.uint8) for plane in (a, b))
        start = None if start is None else cv2.copyMakeBorder(start, *border).astype(np.float32)
    field: Field = flow.calc(a, b, start)[:height, :width]
    return field
