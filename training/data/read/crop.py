"""Which part of a picture a sample shows, and that part in the sample's size, without aliasing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.data.read.frames_pyav import Rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Half-open rectangle [left, right) x [top, bottom) in source pixels as displayed: upright and square."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right and 0 <= self.top < self.bottom):
            raise ValueError(f"empty or negative box [{self.left}, {self.right}) x [{self.top}, {self.bottom})")

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top


def choose_crop(content: Box, *, height: int, width: int, place: tuple[float, float]) -> Box:
    """The largest box within `content` with the aspect of `height` x `width`.

    `place` in [0, 1) says where along the width and the height that leaves room; 0.5 is the middle.
    """
    scale = min(content.width / width, content.height / height)
    columns = min(content.width, max(1, round(width * scale)))
    rows = min(content.height, max(1, round(height * scale)))
    left = content.left + int(place[0] * (content.width - columns + 1))
    top = content.top + int(place[1] * (content.height - rows + 1))
    return Box(left=left, top=top, right=left + columns, bottom=top + rows)


def cropped(frame: Rgb, crop: Box, *, displayed: tuple[int, int], height: int, width: int) -> Rgb:
    """`crop` of a frame as uint8 (height, width, 3). `displayed` is the (height, width) that `crop` is told in: the
    frame's own where its pixels are square.
    """
    down, across = frame.shape[0] / displayed[0], frame.shape[1] / displayed[1]
    top, left = round(crop.top * down), round(crop.left * across)
    bottom, right = max(top + 1, round(crop.bottom * down)), max(left + 1, round(crop.right * across))
    part = np.ascontiguousarray(frame[top:bottom, left:right])
    # area averages every source pixel when reducing; it would repeat pixels when enlarging
    shrinks = part.shape[0] >= height and part.shape[1] >= width
    resized: Rgb = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized
