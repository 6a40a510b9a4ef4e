"""One plane of pixels (luma or a chroma part, H x W) in a smaller size."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

AnyPlane = TypeVar("AnyPlane", bound=npt.NDArray[np.uint8] | npt.NDArray[np.uint16])


def resized(plane: AnyPlane, width: int, height: int) -> AnyPlane:
    """The plane at an exact size: halve while it can, then one linear step of less than two, which hardly aliases."""
    while plane.shape[1] >= 2 * width and plane.shape[0] >= 2 * height:
        plane = halved(plane)
    if plane.shape == (height, width):
        return plane
    result: AnyPlane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    return result


def halved(plane: AnyPlane) -> AnyPlane:
    """Half as wide and high, by area; an odd last row or column is left out. The plane must have two of each."""
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    half: AnyPlane = cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return half
