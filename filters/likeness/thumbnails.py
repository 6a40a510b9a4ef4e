"""Small pictures of the samples of a clip, to be compared with one another."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.frames import Plane, Sample

Array = npt.NDArray[np.float64]

LONG_SIDE = 32
"""Pixels of a thumbnail: what moves a little stays where it is. Smaller pictures are enlarged."""
BAR_LUMA, INSIDE = 24, 0.6
"""Levels up to which a row or column is black, as in `letterbox`, and the least part of a side between bars: they may
come within a shot."""


def thirds(samples: Sequence[Sample]) -> list[tuple[Array, Array, Array]]:
    """Luma, Cb and Cr of thumbnails of all samples, all of one size, in parts along the long side: (n, pixels) each."""
    size = size_at(samples[0], LONG_SIDE)
    planes = [(sample.luma, sample.picture.cb, sample.picture.cr) for sample in samples]
    stacked = np.array([[small(plane, size) for plane in kinds] for kinds in planes], np.float64)
    top, bottom, left, right = _without_bars(stacked[:, 0])
    inside = stacked[:, :, top:bottom, left:right]
    along = 3 if size[0] >= size[1] else 2
    parts = np.array_split(inside, min(3, inside.shape[along]), axis=along)
    return [(part[:, 0], part[:, 1], part[:, 2]) for part in (part.reshape(*part.shape[:2], -1) for part in parts)]


def _without_bars(luma: Array) -> tuple[int, int, int, int]:
    """Rows [top, bottom) and columns [left, right) of thumbnails (n, h, w) that no sample has black bars in. A sample
    that would leave less than `INSIDE` of a side is dark, and has none."""
    box = []
    for across in (2, 1):
        lit = luma.max(axis=across) > BAR_LUMA
        side = lit.shape[1]
        first, last = lit.argmax(axis=1), lit[:, ::-1].argmax(axis=1)
        barred = lit.any(axis=1) & (side - first - last >= INSIDE * side)
        box += [int(first[barred].max(initial=0)), side - int(last[barred].max(initial=0))]
    top, bottom, left, right = box
    return top, max(bottom, top + 1), left, max(right, left + 1)


def size_at(sample: Sample, long_side: int) -> tuple[int, int]:
    """Width and height of the picture at that long side."""
    height, width = sample.luma.shape
    scale = long_side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def small(plane: Plane, size: tuple[int, int]) -> Plane:
    """A plane at that size; of twice as many rows and columns, which cost less than all and tell as much."""
    few = cv2.resize(plane, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_LINEAR)
    reduced: Plane = cv2.resize(few, size, interpolation=cv2.INTER_AREA)
    return reduced
