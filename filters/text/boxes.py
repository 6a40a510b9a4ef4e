"""What every measurement of text needs, whichever model finds and reads it: lines as they lie, and what area counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

Box = npt.NDArray[np.float32]
"""Corners of a rotated rectangle, (4, 2), x and y in pixels; clockwise from the top left of its line."""

MAX_TEXT_LENGTH = 500
MASK_LONG_SIDE = 960
"""Boxes are filled at this size, where rounding to pixels moves a subtitle's area by a few per cent."""


def covered_share(boxes: Sequence[Box], width: int, height: int) -> float:
    """Share of a `width` x `height` picture under the boxes; where boxes overlap, the area counts once."""
    if not boxes:
        return 0.0
    scale = MASK_LONG_SIDE / max(width, height)
    mask = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box * scale).astype(np.int32)], 1)
    return float(mask.mean())


def largest(boxes: Sequence[Box], count: int) -> list[int]:
    """Indices, in order, of the `count` largest boxes: the ones to read."""
    return sorted(sorted(range(len(boxes)), key=lambda index: -cv2.contourArea(boxes[index]))[:count])


def counted(num_boxes: int, read: Collection[int], confirmed: Collection[int]) -> list[int]:
    """Indices of the boxes whose area counts: those confirmed as text, and the unread ones if most of the read are."""
    unread = [index for index in range(num_boxes) if index not in read] if len(confirmed) * 2 > len(read) else []
    return [*confirmed, *unread]


def upright_crops(picture: npt.NDArray[np.uint8], box: Box) -> list[npt.NDArray[np.uint8]]:
    """The box's pixels as a level line; a tall box gives both quarter turns, as it may run downwards or upwards.

    `picture` is (H, W) or (H, W, channels).
    """
    top_left, top_right, _, bottom_left = box
    width = max(1, round(float(np.linalg.norm(top_right - top_left))))
    height = max(1, round(float(np.linalg.norm(bottom_left - top_left))))
    level = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(box, level)
    crop = cv2.warpPerspective(picture, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if height < 1.5 * width:
        return [crop]
    return [cv2.rotate(crop, way) for way in (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_90_CLOCKWISE)]


def variety(line: str) -> int:
    """How many different letters and digits it has. Text has at least two: fences read as III, a picture as one."""
    return len({character for character in line.casefold() if character.isalnum()})


def joined(lines: Iterable[str]) -> str | None:
    """The distinct lines in order, as the `text` column holds them; None where there are none."""
    return " / ".join(dict.fromkeys(lines))[:MAX_TEXT_LENGTH] or None
