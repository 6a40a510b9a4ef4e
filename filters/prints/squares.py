"""Small square pictures of a clip's samples, without bars: the same for all copies of a clip, whatever their size."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.frames import Plane

Squares = npt.NDArray[np.float32]
"""(T, SIDE, SIDE) levels of luma."""

SIDE = 32
"""Pixels: words of a title are still told apart, and a clip of 10 s is 20,000 numbers to compute with."""
BLACK = 40
"""Level up to which bars are black, those of a copy that was made brighter included."""
SPREAD = 10
"""Levels by which a bar's pixels may differ over its rows and over the clip."""
LIT_SHARE = 0.02
"""Share of a bar's row that may be something else: noise."""
EVEN_ROWS = 2
"""Rows by which two bars may differ: where they do by more, it is the scene that is dark there."""
INSIDE = 0.5
"""The least part of a side that bars leave."""
EDGE_ROWS, EDGE_LIT_SHARE = 4, 0.35
"""Rows of content next to a bar, and the share of them that is lit: around a title on black far less is."""


def squares_of(lumas: Sequence[Plane]) -> Squares:
    """Each picture (h, w) between the bars that all of them share, as `SIDE` by `SIDE` pixels."""
    top, bottom, left, right = _inside(lumas)
    return np.stack(
        [cv2.resize(luma[top:bottom, left:right], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for luma in lumas]
    ).astype(np.float32)


def _inside(lumas: Sequence[Plane]) -> tuple[int, int, int, int]:
    """Rows [top, bottom) and columns [left, right) between bars on both sides; all of them where there are none."""
    brightest, darkest = lumas[0].copy(), lumas[0].copy()
    for luma in lumas[1:]:
        cv2.max(brightest, luma, dst=brightest)
        cv2.min(darkest, luma, dst=darkest)
    top, bottom = _between_bars(brightest, darkest)
    left, right = _between_bars(brightest[top:bottom].T, darkest[top:bottom].T)
    return top, bottom, left, right


def _between_bars(brightest: Plane, darkest: Plane) -> tuple[int, int]:
    rows = len(brightest)
    level = int(np.median(brightest[[0, -1]]))
    if level > BLACK or rows < 8:
        return 0, rows
    lit = (brightest > level + SPREAD // 2) | (darkest < level - SPREAD)
    content = np.flatnonzero(lit.mean(axis=1) > LIT_SHARE)
    if not content.size:
        return 0, rows
    top, bottom = int(content[0]), int(content[-1]) + 1
    edges = lit[top : top + EDGE_ROWS], lit[bottom - EDGE_ROWS : bottom]
    if abs(top - (rows - bottom)) > EVEN_ROWS or bottom - top < INSIDE * rows:
        return 0, rows
    return (top, bottom) if all(edge.any(axis=0).mean() >= EDGE_LIT_SHARE for edge in edges) else (0, rows)
