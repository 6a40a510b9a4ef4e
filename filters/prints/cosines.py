"""A small picture as the first terms of its cosine transform: what is large in it first, and brightness left out."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from filters.prints.squares import SIDE, Squares

Terms = npt.NDArray[np.float32]

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


def contrast_of(terms: Terms) -> npt.NDArray[np.float32]:
    """Standard deviation, in levels, of the pictures of terms (..., N): (...)."""
    contrast: npt.NDArray[np.float32] = np.linalg.norm(terms / _WEIGHTS[1 : 1 + terms.shape[-1]], axis=-1) / SIDE
    return contrast


def weights(order: int) -> npt.NDArray[np.float32]:
    """By which terms up to an order are multiplied: (`num_terms(order)`,)."""
    return _WEIGHTS[1 : 1 + num_terms(order)]
