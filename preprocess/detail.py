"""Small parts of a frame with the pixels that it was stored with: noise, block borders and fine detail do not survive
being made smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.planes import AnyPlane, halved
from preprocess.records import shapes_repr

TILE = 64
"""Side of a part in pixels; a multiple of 16, so that parts begin where the blocks of a codec do."""
SHARPEST = 16
SPREAD = 16
"""Parts that are kept for their detail, and parts of all kinds beside them: 131 kB a frame together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detail:
    """Some parts of one frame. Compares and hashes by identity, as `Picture` does and for the same reason."""

    tiles: npt.NDArray[np.uint8]
    """(N, `TILE`, `TILE`) full-range luma as coded: not turned upright, pixel aspect not applied. No tiles of a frame
    with a side shorter than `TILE`."""
    sharpest: int
    """So many tiles, the first ones, are those with the most detail along both axes. The others are evenly spread over
    the rest, ordered by detail, so that the flattest one is the last."""

    __repr__ = shapes_repr


NO_DETAIL = Detail(tiles=np.zeros((0, TILE, TILE), np.uint8), sharpest=0)


def chosen_tiles(luma: AnyPlane, half: AnyPlane | None = None) -> tuple[AnyPlane, int]:
    """The tiles of a plane for a `Detail`, (N, `TILE`, `TILE`), and how many of them are the sharpest.

    `half` is the plane at half its size, where the caller has that; where it is not as high, it is made here.
    """
    rows, columns = luma.shape[0] // TILE, luma.shape[1] // TILE
    grid = luma[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE).transpose(0, 2, 1, 3)
    if not rows * columns:
        return cast(AnyPlane, grid.reshape(0, TILE, TILE)), 0
    if half is None or half.shape != (luma.shape[0] // 2, luma.shape[1] // 2):
        half = halved(luma)
    # at half size most of the noise is gone and what is in focus still stands out
    order = np.argsort(-_detail(half[: rows * TILE // 2, : columns * TILE // 2]).ravel(), kind="stable")
    rest = order[SHARPEST:]
    spread = rest[np.linspace(0, len(rest) - 1, min(SPREAD, len(rest))).round().astype(np.intp)]
    chosen = np.concatenate([order[:SHARPEST], spread])
    tiles = cast(AnyPlane, grid[chosen // columns, chosen % columns])
    return tiles, len(order[:SHARPEST])


def _detail(half: AnyPlane) -> npt.NDArray[np.float32]:
    """Sum of the steps between neighbours in each tile along its plainer axis: the edge of a black bar is no detail."""
    side = TILE // 2
    rows, columns = half.shape[0] // side, half.shape[1] // side
    wide = np.uint16 if half.itemsize == 1 else np.uint32  # the sum of 32 steps fits
    sums = []
    for ahead, behind in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        steps = np.zeros_like(half)
        cv2.absdiff(half[ahead], half[behind], dst=steps[behind])
        by_column = np.add.reduce(steps.reshape(rows, side, -1), axis=1, dtype=wide)
        sums.append(by_column.reshape(rows, columns, side).sum(axis=2))
    return np.asarray(np.minimum(*sums), np.float32)
