"""How much of a picture's fine structure is the grid of a codec's blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import Scorer
from preprocess.detail import TILE, Detail
from preprocess.frames import FrameView

FRAMES = 3
BLOCK = 8
"""JPEG, MPEG-1 to MPEG-4 and H.264 transform blocks of 8 or 4 pixels and predict larger ones, which begin at
multiples of them."""
STEP_LIMITS = (0.5, 4.0)
"""Steps count up to so many times their mean, as a picture's few strong edges lie anywhere and would drown the grid.
The low limit shows what a deblocking filter left, the high one the borders of JPEG's blocks; the clearer one counts."""
LEAST_LIMIT = 3
"""... and at least to this many grey levels: steps of one level, which nobody sees, must not decide alone."""
LEAST_STEP = 0.1
"""Grey levels that are added to both steps which are compared: nothing is said of pictures without structure."""


@dataclass(frozen=True, slots=True)
class BlockinessScorer(Scorer):
    """`blockiness`: 0 (no grid) to 1 (every step between two pixels is at a border of blocks), median of three frames.

    A picture has steps of all sizes between neighbours, wherever it lies before the grid. A codec that is short of
    bits flattens the inside of its blocks and leaves steps at their borders; a deblocking filter spreads these, and the
    middle of the blocks stays the flattest. So: the mean step at each of the 8 places of the grid, against that half a
    block further on, and of these the least. The grid may begin anywhere. A grid of 4 pixels and the pattern of a
    picture that was enlarged 2 or 4 times show in both places alike and do not count. Clean pictures give up to 0.1,
    JPEG of quality 40, 15 and 3 about 0.3, 0.5 and 0.6, x264 at crf 38, 45 and 51 about 0.25, 0.5 and 0.6. Noise hides
    blocks from this measure as from the eye. Codecs with blocks of many sizes (VP9, AV1) leave next to no grid.
    """

    name: ClassVar[str] = "blockiness"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "blockiness": (
            "0-1",
            "share of fine structure that is a codec's grid of 8 pixels: up to 0.1 clean, over 0.4 plain to see",
        ),
    }

    def score(self, view: FrameView) -> float | None:
        """None for frames with a side under 64 pixels."""
        return blockiness(view)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where the borders of blocks lie."""

    strength: float
    """See `BlockinessScorer`."""
    borders: tuple[int, int]
    """Place of the strongest steps, 0-7, along x and along y: that between pixel p and p + 1 of each 8 of a tile."""


def blockiness(view: FrameView) -> float | None:
    """See `BlockinessScorer`; about 0.2 ms a frame."""
    grids = [grid for sample in view.uniform(FRAMES) if (grid := grid_of(sample.detail))]
    return float(np.median([grid.strength for grid in grids])) if grids else None


@lru_cache(maxsize=2 * FRAMES)  # `resolution` and `visual_quality` ask for the same frames
def grid_of(detail: Detail) -> Grid | None:
    """Of one frame; None where there is nothing to look at."""
    if not len(detail.tiles):
        return None
    along_x, border_x = _axis_grid(detail.tiles)
    along_y, border_y = _axis_grid(turned(detail.tiles))
    return Grid(strength=(along_x + along_y) / 2, borders=(border_x, border_y))


def turned(tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Columns of each of (N, `TILE`, `TILE`) as rows, in less time than numpy's copy of a transposed array takes."""
    columns = cv2.transpose(tiles.reshape(-1, TILE)).reshape(TILE, -1, TILE)
    return np.ascontiguousarray(columns.transpose(1, 0, 2), dtype=np.uint8)


def _axis_grid(tiles: npt.NDArray[np.uint8]) -> tuple[float, int]:
    """Along the tiles' last axis."""
    lines = tiles.reshape(-1, TILE)
    steps = cv2.absdiff(lines[:, 1:], lines[:, :-1])
    mean = cv2.mean(steps)[0]
    return max(_grid_of_steps(cv2.min(steps, float(max(LEAST_LIMIT, round(limit * mean))))) for limit in STEP_LIMITS)


def _grid_of_steps(steps: npt.NDArray[np.uint8]) -> tuple[float, int]:
    means = cv2.reduce(steps, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)[0]
    # the tile's last 7 steps would be an eighth period without its last place
    by_place = means[: -(BLOCK - 1)].reshape(-1, BLOCK).mean(axis=0) + LEAST_STEP
    missing = 1 - by_place / np.roll(by_place, -BLOCK // 2)
    middle = int(missing.argmax())
    return max(0.0, float(missing[middle])), (middle + BLOCK // 2) % BLOCK
