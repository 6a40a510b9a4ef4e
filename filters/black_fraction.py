"""How much of a clip is black: leaders, fades and gaps between programmes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import Scorer
from preprocess.frames import FrameView, Plane

BLACK_LUMA = 24.0
"""Full-range luma up to which a frame may be black: some sources have their black raised to 16, and noise on it."""
GRID = (16, 9)
"""Parts of the picture, across and down, whose means are compared."""
CORNER = (5, 3)
"""Parts, across and down, in each corner that do not count: a channel's logo is there."""
BLACK_SPREAD = 1.5
"""Grey levels by which the means of the parts of black may differ; those of a scene at a twentieth of the light of day
differ by 2 and more."""
BLACK_POINT = 6.0
NOISE_POINTS = 6.0
"""A pixel this many levels over the middle one, or this many times the deviation of noise, is a light: stars, a lamp, a
title."""
SAME_LUMA = 1.5
"""A frame is as black as a sampled one where mean and deviation of luma are within this of the sample's."""


@dataclass(frozen=True, slots=True)
class BlackFractionScorer(Scorer):
    """`black_fraction`: share of the clip's frames that are black, 0-1.

    Black is dark, equal all over, and without a light anywhere but in the corners, where a channel's logo may stay on.
    However dark, a scene is not: its parts differ, or it has stars or a lamp in it. Sampled frames are looked at; any
    other frame is black where the sampled one before or after it is and its light is the same.
    """

    name: ClassVar[str] = "black_fraction"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "black_fraction": ("0-1", "share of frames that are black (a logo in a corner may be on)"),
    }

    def score(self, view: FrameView) -> float | None:
        """The pixels of the sampled frames, the signals of all."""
        signals = view.signals
        if not signals.seconds.size:
            return None
        times = np.array([sample.seconds for sample in view.samples])
        black = np.array([_is_black(sample.luma) for sample in view.samples])
        if not black.any():
            return 0.0
        first_shown = np.searchsorted(signals.seconds, times).clip(max=signals.seconds.size - 1)
        after = np.searchsorted(times, signals.seconds, side="right")
        frames = np.zeros(signals.seconds.size, np.bool_)
        for neighbour in (after - 1, after):
            nearest = np.clip(neighbour, 0, len(times) - 1)
            shown = first_shown[nearest]
            frames |= black[nearest] & _alike(signals.luma_mean, shown) & _alike(signals.luma_std, shown)
        return float(np.mean(frames))


def _alike(values: npt.NDArray[np.float64], others: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = np.abs(values - values[others]) <= SAME_LUMA
    return same


def _is_black(luma: Plane) -> bool:
    """Of one picture; one smaller than the grid is judged whole."""
    if np.median(luma[::8, ::8]) > BLACK_LUMA:
        return False
    if min(luma.shape[0] // GRID[1], luma.shape[1] // GRID[0]) < 1:
        return bool(luma.max() <= BLACK_LUMA and np.ptp(luma) <= BLACK_POINT)
    inner = np.ones((GRID[1], GRID[0]), np.uint8)
    for rows in (slice(0, CORNER[1]), slice(-CORNER[1], None)):
        for columns in (slice(0, CORNER[0]), slice(-CORNER[0], None)):
            inner[rows, columns] = 0
    means = cv2.resize(luma.astype(np.float32), GRID, interpolation=cv2.INTER_AREA)[inner > 0]
    if means.max() > BLACK_LUMA or np.ptp(means) > BLACK_SPREAD:
        return False
    mask = cv2.resize(inner, (luma.shape[1], luma.shape[0]), interpolation=cv2.INTER_NEAREST)
    points = luma[mask > 0]
    middle = float(np.median(points))
    noise = 1.4826 * float(np.median(np.abs(points - middle)))
    return bool(points.max() <= middle + max(BLACK_POINT, NOISE_POINTS * noise))
