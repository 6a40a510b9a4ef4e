"""How colourful a clip looks; grey footage scores near zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Scorer
from preprocess.frames import FrameView, Picture
from preprocess.light import to_rgb

FRAMES = 4


@dataclass(frozen=True, slots=True)
class ColorfulnessScorer(Scorer):
    """`colorfulness` after D. Hasler and S. Suesstrunk, Measuring colorfulness in natural images (2003).

    Mean of four frames. Their words for the scale: 0 not, 15 slightly, 33 moderately, 45 averagely, 59 quite, 82
    highly, 109 extremely colourful.
    """

    name: ClassVar[str] = "colorfulness"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "colorfulness": ("", "Hasler and Suesstrunk 2003"),
    }

    def score(self, view: FrameView) -> float:
        """Always measured."""
        values = [picture_colorfulness(sample.picture) for sample in view.uniform(FRAMES)]
        return float(np.mean(values))


def picture_colorfulness(picture: Picture) -> float:
    """sqrt(var rg + var yb) + 0.3 sqrt(mean rg ^2 + mean yb ^2), from the moments of the chroma planes.

    Both opponent colours are linear in chroma and free of luma, so no RGB picture is needed.
    """
    chroma = np.stack([plane[::2, ::2].ravel() for plane in (picture.cb, picture.cr)]).astype(np.float32) - 128
    mean = chroma.mean(axis=1)
    red, green, blue = to_rgb(picture.matrix)[:, 1:3].astype(np.float64)
    opponents = (red - green, (red + green) / 2 - blue)
    covariance = chroma @ chroma.T / chroma.shape[1] - np.outer(mean, mean)
    variance = sum(float(axis @ covariance @ axis) for axis in opponents)
    offset = np.hypot(*(axis @ mean for axis in opponents))
    return float(np.sqrt(max(0.0, variance)) + 0.3 * offset)
