"""Up to which size a clip's pictures resolve anything: enlarged and soft ones hold less than their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import Scorer
from filters.blockiness import BLOCK, grid_of, turned
from filters.noise import noise_of
from preprocess.detail import TILE, Detail
from preprocess.frames import FrameView

FRAMES = 3
RESOLVED_POWER = 10**-0.9
"""A frequency is resolved where gradients have more than -9 dB of their power at the coarsest ones. Of pictures in
focus they have equal power at all frequencies, as amplitudes of detail fall with frequency (D. Field, 1987)."""
COARSE = slice(1, 8)
"""Of the 30 frequencies, 2 to 8 periods a tile."""
SHARPEST_TILES = 4
"""A subject in focus may be a fiftieth of the picture: at 720p four tiles of 220."""
ROUNDING_POWER = 1 / 12
"""Variance of what is lost to whole grey levels."""
NOISE_LEEWAY = 1.25
"""Up to so many times what `noise` says is taken for noise."""
NOISE_SPREAD = 1.2
"""The least of a tile's 13 finest frequencies is so much below the mean of noise."""
MAX_NOISE_SHARE = 1.0
"""Detail that is weaker than this share of the noise is half lost in it."""
HARMLESS_GRID = 0.05
"""Where blocks are plainer to see, what the codec put in the place of detail is taken off in proportion."""

_WINDOW = np.append(np.hanning(TILE + 1)[1:-1], 0).astype(np.float32)
"""Over the 63 steps of a line of 64 pixels."""
_PHASES = np.pi * np.arange(TILE // 2 + 1) / TILE
_DIFFERENCE_GAIN = (4 * np.sin(_PHASES) ** 2).astype(np.float32)
"""Power that a difference of neighbours leaves of each frequency."""
_GRADIENT_GAIN = np.where(_PHASES > 0, 4 * _PHASES**2 / np.maximum(_DIFFERENCE_GAIN, 1e-9), 1).astype(np.float32)
"""By how much a true gradient is stronger than that difference."""


@dataclass(frozen=True, slots=True)
class ResolutionScorer(Scorer):
    """`resolution`: pixels of the shorter side that a picture of no less detail would need; 0 to `short_side`.

    Of the tiles with the most detail, the share of the frequencies at which gradients are about as strong as at coarse
    ones, after noise is taken off, the geometric mean of both axes; then the mean of the four best tiles, as what is
    behind the subject may be out of focus, and the best of three frames, as some may show next to nothing. Enlarging by
    2, 3 and 4.5 leaves about 0.6, 0.4 and 0.25 of the size, whether or not it was sharpened afterwards. Blur, shake and
    a codec that took fine detail away count the same. Sharp letters or a logo over a soft picture count as detail.
    """

    name: ClassVar[str] = "resolution"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "resolution": (
            "pixels",
            "of the shorter side, that a picture of no less detail would need: `short_side` for one that is sharp"
            " to the pixel, far less for an enlarged or soft one",
        ),
    }

    def score(self, view: FrameView) -> float | None:
        """None for blank frames and those with a side under 64 pixels."""
        return resolution(view)


def resolution(view: FrameView) -> float | None:
    """See `ResolutionScorer`; about 0.4 ms a frame."""
    shares = [share for sample in view.uniform(FRAMES) if (share := _resolved_share(sample.detail)) is not None]
    return max(shares) * min(view.clip.width, view.clip.height) if shares else None


@lru_cache(maxsize=2 * FRAMES)  # `visual_quality` asks for the same frames
def _resolved_share(detail: Detail) -> float | None:
    """Of the frame's size, 0-1."""
    grid = grid_of(detail)
    if grid is None:
        return None
    tiles = detail.tiles[: detail.sharpest]
    noise_power = (NOISE_LEEWAY * (noise_of(detail) or 0.0)) ** 2
    shares = [
        _axis_shares(lines, border, noise_power)
        for lines, border in zip((tiles, turned(tiles)), grid.borders, strict=True)
    ]
    if shares[0] is None or shares[1] is None:
        return None
    best = np.sort(np.sqrt(shares[0] * shares[1]))[-SHARPEST_TILES:]
    return float(best.mean()) * min(1.0, (1 - grid.strength) / (1 - HARMLESS_GRID))


def _axis_shares(tiles: npt.NDArray[np.uint8], border: int, noise_power: float) -> npt.NDArray[np.float32] | None:
    """Share of the frequencies that each of the (N, TILE, TILE) tiles resolves along its last axis."""
    power = _gradient_power(tiles, border)
    finest = power[:, TILE * 5 // 16 :]
    # Noise is as strong at all frequencies, so it is no more than the least of them; detail of a texture is no noise.
    least = NOISE_SPREAD * (finest / _DIFFERENCE_GAIN[TILE * 5 // 16 :]).min(axis=1)
    floor = np.clip(least, ROUNDING_POWER, max(ROUNDING_POWER, noise_power))[:, None] * _DIFFERENCE_GAIN
    detail = np.maximum(power - floor, 0) * _GRADIENT_GAIN
    detail = (detail[:, :-2] + 2 * detail[:, 1:-1] + detail[:, 2:]) / 4
    coarse = detail[:, COARSE].max(axis=1)
    if not coarse.any():
        return None
    # a tile with next to nothing in it resolves nothing, however even its spectrum
    needed = RESOLVED_POWER * np.maximum(coarse, coarse.mean())[:, None]
    ratio = (detail / (needed + MAX_NOISE_SHARE * (floor * _GRADIENT_GAIN)[:, 1:-1])) ** 2
    shares: npt.NDArray[np.float32] = (ratio / (1 + ratio))[:, 1:].mean(axis=1)
    return shares


def _gradient_power(tiles: npt.NDArray[np.uint8], border: int) -> npt.NDArray[np.float32]:
    """Power spectrum of the steps between neighbours, (N, TILE / 2 + 1), white noise of variance 1 giving
    `_DIFFERENCE_GAIN`. Steps at the borders of blocks are replaced by the mean of their neighbours: they are no detail.
    """
    lines = tiles.reshape(-1, TILE)
    steps = np.zeros(lines.shape, np.float32)
    cv2.subtract(lines[:, 1:], lines[:, :-1], dst=steps[:, :-1], dtype=cv2.CV_32F)
    at = np.arange(border or BLOCK, TILE - 2, BLOCK)
    steps[:, at] = (steps[:, at - 1] + steps[:, at + 1]) / 2
    steps *= _WINDOW
    spectra = cv2.dft(steps, dst=steps, flags=cv2.DFT_ROWS)
    np.square(spectra, out=spectra)
    squares = spectra.reshape(-1, TILE, TILE).mean(axis=1)
    # each row has the constant, pairs of real and imaginary parts, and the highest frequency
    power = np.empty((len(squares), TILE // 2 + 1), np.float32)
    power[:, 0], power[:, -1] = squares[:, 0], squares[:, -1]
    power[:, 1:-1] = squares[:, 1:-1:2] + squares[:, 2:-1:2]
    power /= np.square(_WINDOW).sum()
    return power
