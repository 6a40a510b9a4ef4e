"""Frames as optical flow sees them here: small, and alike under any light.

Contrast is divided out within a neighbourhood, as far as it is more than noise and more than a few percent of what the
clip has elsewhere. So motion does not depend on light, contrast and focus, and neither grain nor a shadow on a wall
becomes texture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.frames import Plane

Field = npt.NDArray[np.float32]

LONG_SIDE = 128
"""Pixels of the longer side. A pixel averages what sensors and codecs add to 30 of 720p; flow takes a quarter of the
time that it takes at 256 and finds subjects of 2 % of the picture as well."""
NEIGHBOURHOOD = 13
"""Pixels each way within which contrast is made equal: a tenth of the picture."""
AMPLITUDE = 40.0
"""Grey levels that a standard deviation of the neighbourhood becomes."""
FAINT = 6.0
"""Variance, in units of that of noise and of what is too faint, at which half of the amplitude is left (squared)."""
FAINT_SHARE = 0.08
"""Share of the clip's contrast that counts like noise where contrast is made equal."""
LEAST_NOISE = 0.35
"""Grey levels: rounding to whole levels, here and at the size of the video."""
MOST_NOISE = 8.0
"""Grey levels at this size. Sensor noise of sigma 32 at 720p leaves less; more is motion or texture all over."""
BLOCK = 8
"""Pixels: noise is judged in blocks, of which the quieter third shows it."""
QUIET = 0.3
"""Quantile of the blocks."""
OF_CHANGE = 0.76
"""Standard deviation of noise over the `QUIET` one of a difference of two frames less its mean over 5x5 pixels."""
OF_ROUGHNESS = 1.2
"""Standard deviation of noise over the `QUIET` one of curvature; resizing has smoothed noise."""
_CURVATURE = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32) / 6
"""Has no answer to flat, sloping and straight things; noise keeps its deviation (Immerkaer, Fast noise variance
estimation, 1996)."""


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """One frame: its luma, float32 (h, w), the same with contrast made equal, and the variance around each pixel."""

    luma: Field
    even: Plane
    variance: Field


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The frames of a clip. `pairs` are those shortly after the samples, None where there is none."""

    samples: list[Small]
    pairs: list[Small | None]
    noise: float
    """Standard deviation in grey levels."""
    contrast: float
    """Root mean variance of the neighbourhoods, in grey levels."""

    def evidence(self, small: Small) -> Field:
        """How well motion can be told at each pixel, 0 to 1."""
        return small.variance / (small.variance + np.float32(FAINT * _faint(self.noise, self.contrast)))


def seen(samples: Sequence[Plane], pairs: Sequence[Plane | None]) -> Seen:
    """Luma planes of one size, and as many taken shortly after them."""
    firsts = [_small(plane) for plane in samples]
    laters = [None if plane is None else _small(plane) for plane in pairs]
    spread = [_mean_and_variance(luma) for luma in firsts]
    noise = noise_of(firsts, laters)
    contrast = math.sqrt(float(np.mean([variance.mean() for _, variance in spread])))
    faint = _faint(noise, contrast)
    return Seen(
        [_even(luma, *around, faint) for luma, around in zip(firsts, spread, strict=True)],
        [None if luma is None else _even(luma, *_mean_and_variance(luma), faint) for luma in laters],
        noise,
        contrast,
    )


def stretched(first: Small, second: Small) -> tuple[Plane, Plane]:
    """Both with one contrast for the whole of them: what shifts by more than a neighbourhood is not found in `even`."""
    mean, deviation = (float(part[0, 0]) for part in cv2.meanStdDev(first.luma))
    gain = AMPLITUDE / max(deviation, 1.0)
    a, b = (np.clip(128 + (small.luma - mean) * gain, 0, 255).astype(np.uint8) for small in (first, second))
    return a, b


def noise_of(firsts: Sequence[Field], laters: Sequence[Field | None]) -> float:
    """Standard deviation of noise: what changes from frame to frame in the quieter blocks, or what is rough there,
    whichever is less: a moving picture changes all over, and a still one may be rough all over."""
    rough: list[Field] = []
    changing: list[Field] = []
    for first, later in zip(firsts, laters, strict=True):
        if min(first.shape) < 2 * BLOCK:
            continue
        level = _blocks(first)
        judged = (level > 4) & (level < 250)  # what is clipped shows no noise
        rough.append(np.sqrt(_blocks(cv2.filter2D(first, -1, _CURVATURE) ** 2)[judged]) * np.float32(OF_ROUGHNESS))
        if later is not None:
            change = first - later
            change -= cv2.blur(change, (5, 5))
            changing.append(np.sqrt(_blocks(change * change)[judged]) * np.float32(OF_CHANGE))
    estimates = [float(np.quantile(np.concatenate(all_), QUIET)) for all_ in (rough, changing) if any(map(len, all_))]
    return min(MOST_NOISE, max(LEAST_NOISE, min(estimates, default=LEAST_NOISE)))


def _faint(noise: float, contrast: float) -> float:
    """Variance that counts as none."""
    return noise * noise + (FAINT_SHARE * contrast) ** 2


def _small(plane: Plane) -> Field:
    """Brought down to `LONG_SIDE` by averaging areas; a smaller plane is left alone."""
    height, width = plane.shape
    scale = min(1, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Field = cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return small


def _mean_and_variance(luma: Field) -> tuple[Field, Field]:
    around = (NEIGHBOURHOOD, NEIGHBOURHOOD)
    mean = cv2.blur(luma, around)
    return mean, np.maximum(cv2.blur(luma * luma, around) - mean * mean, 0)


def _even(luma: Field, mean: Field, variance: Field, faint: float) -> Small:
    even = 128 + (luma - mean) * (AMPLITUDE / np.sqrt(variance + np.float32(FAINT * faint)))
    return Small(luma, np.clip(even, 0, 255).astype(np.uint8), variance)


def _blocks(plane: Field) -> Field:
    height, width = (side // BLOCK for side in plane.shape)
    means: Field = cv2.resize(plane[: height * BLOCK, : width * BLOCK], (width, height), interpolation=cv2.INTER_AREA)
    return means
