"""How alike pictures are whatever the light: in their places, and in what they are made of."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CONTRAST_FLOOR = 2.0
"""Levels of luma: in a picture with less contrast there is only noise to compare."""
LUMA_BINS, LUMA_REACH = 16, 2.4
"""Of the histogram of luma, and how many standard deviations of the picture it spans on each side of the mean."""
CHROMA_BINS, CHROMA_REACH = 8, 0.4
"""Of the histogram over Cb and Cr, on each axis, and which part of the light it spans on each side of grey."""
LIGHT_FLOOR = 12.0
"""Levels of luma, added to the light that chroma is divided by: at night a level of chroma is noise."""


def alike(luma: Array, cb: Array, cr: Array) -> Array:
    """How alike each two samples are in a part of the picture, (n, pixels) of each plane: (n, n)."""
    shares = np.hstack([_luma_shares(luma), _chroma_shares(luma, cb, cr)])
    mean: Array = (_same_place(luma) + _shared(shares)) / 3
    return mean


def _same_place(luma: Array) -> Array:
    """Correlation of each two thumbnails, in which contrast below the floor counts for less: (n, n)."""
    flat = luma - luma.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + CONTRAST_FLOOR * np.sqrt(flat.shape[1])
    correlations: Array = flat @ flat.T
    return correlations


def _shared(shares: Array) -> Array:
    """What each two rows of histograms have in common, 0-1 for each histogram: (n, n)."""
    return np.array([np.minimum(shares, one).sum(axis=1) for one in shares])


def _luma_shares(luma: Array) -> Array:
    """Histogram of each thumbnail, by standard deviations from its mean: (n, LUMA_BINS), sum 1."""
    deviation = luma.std(axis=1, keepdims=True) + CONTRAST_FLOOR
    steps = _binned((luma - luma.mean(axis=1, keepdims=True)) / deviation, LUMA_BINS, LUMA_REACH)
    return _counted(steps, LUMA_BINS) @ _blur(LUMA_BINS)


def _chroma_shares(luma: Array, cb: Array, cr: Array) -> Array:
    """Histogram of each thumbnail over both kinds of chroma, as parts of its light: (n, CHROMA_BINS ** 2), sum 1."""
    light = luma.mean(axis=1, keepdims=True) + LIGHT_FLOOR
    rows, columns = (_binned((plane - 128) / light, CHROMA_BINS, CHROMA_REACH) for plane in (cb, cr))
    counted = _counted(rows * CHROMA_BINS + columns, CHROMA_BINS**2).reshape(-1, CHROMA_BINS, CHROMA_BINS)
    blur = _blur(CHROMA_BINS)
    blurred: Array = blur.T @ counted @ blur
    return blurred.reshape(len(luma), -1)


def _binned(values: Array, bins: int, reach: float) -> npt.NDArray[np.int64]:
    """Which of `bins` from -`reach` to `reach` each value lies in; the outer ones take what is beyond."""
    return np.clip((values + reach) * (bins / (2 * reach)), 0, bins - 1).astype(np.int64)


def _counted(steps: npt.NDArray[np.int64], bins: int) -> Array:
    """Share of the values of each row that lie in each bin: (n, bins)."""
    num, pixels = steps.shape
    rows = steps + bins * np.arange(num)[:, None]
    shares: Array = np.bincount(rows.ravel(), minlength=num * bins).reshape(num, bins) / pixels
    return shares


@lru_cache
def _blur(bins: int) -> Array:
    """Half of each bin goes to its neighbours, so that a value at an edge is alike to one beyond: (bins, bins)."""
    spread = (np.eye(bins, k=-1) + 2 * np.eye(bins) + np.eye(bins, k=1)) / 4
    blur: Array = spread / spread.sum(axis=1, keepdims=True)
    return blur
