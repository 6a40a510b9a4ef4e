"""How much two frames have in common, whatever moved between them and in whatever light they stand."""

from __future__ import annotations

from math import sqrt

import cv2
import numpy as np

from preprocess.flow import displacements
from preprocess.shots.track import Plane, Vector


def correlation(thumb: Vector, other_thumb: Vector) -> float:
    """Pearson correlation of two thumbnails with each channel centred; 1 is the same picture."""
    a, b = (_centred(vector) for vector in (thumb, other_thumb))
    return float(a @ b) / (sqrt(float(a @ a) * float(b @ b)) + 1e-6)


def unexplained(earlier: Plane, later: Plane, *, match_light: bool) -> float:
    """The part of two frames' difference that is left once what moved is moved back by optical flow.

    With `match_light`, a brightening of the whole picture counts as explained too.
    """
    lit = relit(earlier, later) if match_light else earlier
    columns, rows = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in earlier.shape[::-1]))
    flow = displacements(cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM), later, lit)
    moved = cv2.remap(
        lit, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return float(cv2.norm(moved, later, cv2.NORM_L1) / max(1.0, cv2.norm(earlier, later, cv2.NORM_L1)))


def relit(earlier: Plane, later: Plane) -> Plane:
    """The earlier frame with the mean and the contrast of the later one."""
    (mean, std), (later_mean, later_std) = ((plane.mean(), plane.std()) for plane in (earlier, later))
    gain = later_std / max(1.0, std)
    lit: Plane = np.clip((earlier - mean) * gain + later_mean, 0, 255).astype(np.uint8)
    return lit


def _centred(thumb: Vector) -> Vector:
    """A thumbnail less the mean of each channel."""
    pixels = thumb.reshape(-1, 1, 3)
    centred: Vector = cv2.subtract(pixels, cv2.mean(pixels)).reshape(-1)
    return centred
