"""A small picture as the first terms of its cosine transform: what is large in it first, and brightness left out."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from filters.prints.squares import SIDE, Squares

Terms = npt.NDArray[np.float32]

Box = tuple[float, float, float, float]
"""Shares of a picture that are cut off on the left, at the top, on the right and at the bottom."""

FINE_ORDER = 20
"""Terms with at most so many half waves over both axes together: 230 of a picture, which show the words of a title."""
COARSE_ORDER = 7
"""The same for what changes from sample to sample: 35 terms."""
KEY_ORDER = 5
"""The same for finding what may be alike: 20 terms, which a crop of a twentieth hardly changes."""

_ACROSS, _DOWN = (axis.ravel() for axis in np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
_IN_ORDER = np.lexsort((_ACROSS, _DOWN, _ACROSS + _DOWN))
"""Places of the terms in a square, those of fewer half waves first."""
_ORDERS = (_ACROSS + _DOWN)[_IN_ORDER]
_WEIGHTS = np.hypot(_ACROSS, _DOWN)[_IN_ORDER].astype(np.float32)
"""Pictures have as much less of a wave as it is shorter (amplitude falls as 1/frequency): so all count as much."""
_MIRROR = np.where(_ACROSS % 2, -1, 1)[_IN_ORDER].astype(np.float32)

_PER_PIXEL = 8
"""Places at which a wave is looked at where a picture is cropped."""


def num_terms(order: int) -> int:
    """How many there are up to an order, without the mean."""
    return int((order >= _ORDERS).sum()) - 1


def terms_of(squares: Squares, order: int) -> Terms:
    """(T, SIDE, SIDE) as terms (T, `num_terms(order)`), weighted by frequency; the mean is left out."""
    chosen = _IN_ORDER[1 : 1 + num_terms(order)]
    flat = np.stack([cv2.dct(square) for square in squares]).reshape(len(squares), -1)
    terms: Terms = flat[:, chosen] * _WEIGHTS[1 : 1 + len(chosen)]
    return terms


def square_of(terms: Terms) -> Squares:
    """The picture (SIDE, SIDE) of some terms (N,), of mean 0."""
    square = np.zeros(SIDE * SIDE, np.float32)
    square[_IN_ORDER[1 : 1 + len(terms)]] = terms / _WEIGHTS[1 : 1 + len(terms)]
    picture: Squares = cv2.idct(square.reshape(SIDE, SIDE))
    return picture


def mirrored(terms: Terms) -> Terms:
    """The terms (..., N) of the same pictures with left for right."""
    turned: Terms = terms * _MIRROR[1 : 1 + terms.shape[-1]]
    return turned


def cropping(box: Box, order: int, new_order: int) -> Terms:
    """What makes of terms up to `order` those of what is left of the picture inside a box, up to `new_order`, as a
    matrix (`num_terms(new_order)`, `num_terms(order)`). The picture's own finer terms are taken to be nothing."""
    left, top, right, bottom = box
    across, down = _stretching(left, 1 - right, order, new_order), _stretching(top, 1 - bottom, order, new_order)
    old, new = (_IN_ORDER[1 : 1 + num_terms(each)] for each in (order, new_order))
    mixed = across[_ACROSS[new][:, None], _ACROSS[old]] * down[_DOWN[new][:, None], _DOWN[old]]
    matrix: Terms = (weights(new_order)[:, None] * mixed / weights(order)).astype(np.float32)
    return matrix


def _stretching(start: float, stop: float, order: int, new_order: int) -> npt.NDArray[np.float64]:
    """The same along one axis of [0, 1), of which [start, stop) is left: (new_order + 1, order + 1)."""
    at = (np.arange(SIDE * _PER_PIXEL) + 0.5) / (SIDE * _PER_PIXEL)
    old = _waves(start + (stop - start) * at, order)
    return _waves(at, new_order).T @ old / _PER_PIXEL


def _waves(at: npt.NDArray[np.float64], order: int) -> npt.NDArray[np.float64]:
    """Those of the transform, of norm 1 over `SIDE` pixels, at places in [0, 1): (len(at), order + 1)."""
    half_waves = np.arange(order + 1)
    return np.cos(np.pi * half_waves * at[:, None]) * np.sqrt(np.where(half_waves, 2, 1) / SIDE)


def contrast_of(terms: Terms) -> npt.NDArray[np.float32]:
    """Standard deviation, in levels, of the pictures of terms (..., N): (...)."""
    contrast: npt.NDArray[np.float32] = np.linalg.norm(terms / _WEIGHTS[1 : 1 + terms.shape[-1]], axis=-1) / SIDE
    return contrast


def weights(order: int) -> npt.NDArray[np.float32]:
    """By which terms up to an order are multiplied: (`num_terms(order)`,)."""
    return _WEIGHTS[1 : 1 + num_terms(order)]
