"""What is remembered of the latest frames: a thumbnail, the luma, how light and how full of contrast each is."""

from __future__ import annotations

from functools import cache
from math import hypot

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]

THUMB_LONG_SIDE = 32
"""Long side of a thumbnail in pixels: blurred enough that moving things hardly count, sharp enough to tell pictures."""
SOLID_STD = 2.0
"""A frame is solid below this standard deviation of its thumbnail's luma and chroma (0-255 levels). An empty asphalt
lot, the plainest real shot at hand, has 10; black with heavy grain (sigma 5 a pixel) has 1."""
DIM_STD = 1.0
STEADY = 0.9
"""A frame that correlates so much with the one before or after it has a picture, however dim: solid below `DIM_STD`."""
BLACK_LEVEL = 20.0
"""Luma up to which a thumbnail's pixel is taken for a bar; encoders leave bars at 0 to 5 and blur their edges."""


class Track:
    """Thumbnails and contrasts of the latest frames, addressed by frame index."""

    def __init__(self) -> None:
        self.first = 0
        """Index of the oldest frame kept."""
        self._thumb_size = (0, 0)
        self._lumas: list[Plane] = []
        self._thumbs: Vector = np.zeros((0, 0), np.float32)  # rows before `_oldest` are free, as those after the last
        self._oldest = 0
        self._count = 0
        self._means = [0.0, 0.0, 0.0]  # of the newest frame's channels
        self._deviation = 0.0  # root of the sum of their variances
        self._alike: list[float] = []
        self._luma_mean: list[float] = []
        self._luma_std: list[float] = []
        self._chroma_std: list[float] = []

    @property
    def end(self) -> int:
        """One past the newest frame."""
        return self.first + self._count

    def append(self, frame_ycbcr: npt.NDArray[np.uint8]) -> None:
        """Take the next frame, uint8 (h, w, 3)."""
        size = _thumb_size(*frame_ycbcr.shape[:2])
        small = cv2.resize(frame_ycbcr, size, interpolation=cv2.INTER_AREA).reshape(-1)
        self._thumb_size = size
        if self._oldest + self._count == len(self._thumbs):
            self._make_room(small.size)
        thumb = self._thumbs[self._oldest + self._count]
        thumb[:] = small
        means, stds = (numbers.ravel().tolist() for numbers in cv2.meanStdDev(thumb.reshape(-1, 1, 3)))
        luma, cb, cr = stds
        self._lumas.append(cv2.extractChannel(frame_ycbcr, 0))
        self._alike.append(self._likeness(thumb, means, stds))
        self._count += 1
        self._luma_mean.append(means[0])
        self._luma_std.append(luma)
        self._chroma_std.append(max(cb, cr))

    def forget_before(self, index: int) -> None:
        """Drop frames before `index`, in batches: a deletion moves the whole list."""
        gone = index - self.first
        if gone > 64:
            del self._lumas[:gone]
            self._count -= gone
            self._oldest += gone
            del self._alike[:gone]
            del self._luma_mean[:gone]
            del self._luma_std[:gone]
            del self._chroma_std[:gone]
            self.first = index

    def luma(self, index: int) -> Plane:
        """The luma of one frame, uint8 (h, w)."""
        return self._lumas[index - self.first]

    def thumb(self, index: int) -> Vector:
        """The thumbnail of one frame, float32 (d,)."""
        thumb: Vector = self._thumbs[self._oldest + index - self.first]
        return thumb

    def thumbs_without_bars(self, first: int, second: int, *, of_either: bool = False) -> tuple[Vector, Vector]:
        """Two thumbnails without the black rows and columns that both have at their edges: letterboxing is in every
        shot of a film, and would make all of them look alike. With `of_either`, those that one of them has go too, and
        the pixels beside them, which are half bar."""
        width, height = self._thumb_size
        pair = np.stack([self.thumb(first), self.thumb(second)]).reshape(2, height, width, 3)
        lit = pair[..., 0] > BLACK_LEVEL
        combined = np.all if of_either else np.any
        rows, columns = (np.flatnonzero(combined(lit.any(axis=axis), axis=0)) for axis in (2, 1))
        if of_either:
            rows, columns = (
                inner[1:-1] if inner.size < size else inner for inner, size in ((rows, height), (columns, width))
            )
        if rows.size and columns.size:
            pair = pair[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return pair[0].reshape(-1), pair[1].reshape(-1)

    def thumbs(self, start: int, end: int) -> Vector:
        """Thumbnails of the frames [start, end), float32 (n, d)."""
        shift = self._oldest - self.first
        return self._thumbs[start + shift : min(self._oldest + self._count, end + shift)]

    def alike(self, index: int) -> float:
        """`correlation` of a frame's thumbnail with that of the frame before it; 1 for the very first frame."""
        return self._alike[index - self.first]

    def changes(self, start: int, end: int) -> list[float]:
        """1 less `alike` of the frames [start, end) that are kept and follow one."""
        first = max(1, start - self.first)
        return [1 - alike for alike in self._alike[first : max(first, end - self.first)]]

    def level(self, index: int) -> float:
        """Mean of a thumbnail's luma, 0-255."""
        return self._luma_mean[index - self.first]

    def pictures(self, start: int, end: int) -> Vector:
        """Thumbnails of the frames [start, end) as pictures, float32 (n, h, w, 3)."""
        width, height = self._thumb_size
        return self.thumbs(start, end).reshape(-1, height, width, 3)

    def contrast(self, index: int) -> float:
        """Standard deviation of a thumbnail's luma, in levels."""
        return self._luma_std[index - self.first]

    def contrasts(self, start: int, end: int) -> list[float]:
        """`contrast` of the frames [start, end) that are kept."""
        return self._luma_std[max(0, start - self.first) : max(0, end - self.first)]

    def is_solid(self, index: int) -> bool:
        """Whether a frame is one colour all over."""
        at = index - self.first
        limit = DIM_STD if max(self._alike[at : at + 2]) > STEADY else SOLID_STD
        return self._luma_std[at] < limit and self._chroma_std[at] < limit

    def _make_room(self, size: int) -> None:
        """Move the thumbnails to the begin of their array, or of a longer one: a range of them is a view, no copy."""
        kept = self._thumbs[self._oldest : self._oldest + self._count].copy()
        if 2 * self._count >= len(self._thumbs):
            self._thumbs = np.zeros((max(512, 2 * self._count), size), np.float32)
        self._thumbs[: self._count] = kept.reshape(self._count, size)
        self._oldest = 0

    def _likeness(self, thumb: Vector, means: list[float], stds: list[float]) -> float:
        """`correlation` with the newest frame, from sums that are known already: a twentieth of the time."""
        deviation = hypot(*stds)
        pixels = thumb.size / 3
        spread = pixels * deviation * self._deviation
        alike = 1.0
        if self._count and spread > 0:
            shared = sum(mean * last for mean, last in zip(means, self._means, strict=True))
            alike = (float(self._thumbs[self._oldest + self._count - 1] @ thumb) - pixels * shared) / spread
        self._means, self._deviation = means, deviation
        return alike


@cache
def _thumb_size(height: int, width: int) -> tuple[int, int]:
    """Width and height of the thumbnails of frames of a size."""
    scale = min(1.0, THUMB_LONG_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))
