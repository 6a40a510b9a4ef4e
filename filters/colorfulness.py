"""How colourful a clip looks; grey footage scores near zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Scorer
from preprocess.frames import FrameView, Picture

FRAMES = 4
RED_GREEN = np.array([0.344136, 2.116136])
"""R - G in terms of (Cb, Cr) less 128, BT.601 full range as `Picture` has it."""
YELLOW_BLUE = np.array([-1.944068, 0.343932])
"""(R + G) / 2 - B in the same terms."""


@dataclass(frozen=True, slots=True)
class ColorfulnessScorer(Scorer):
    """`colorfulness` after D. Hasler and S. Suesstrunk, Measuring colorfulness in natural images (2003).

    Mean of four frames. Their words for the scale: 0 not, 15 slightly, 33 moderately, 45 averagely, 59 quite, 82
    highly, 109 extremely colourful.
    """

    name: ClassVar[str] = "colorfulness"

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
    covariance = chroma @ chroma.T / chroma.shape[1] - np.outer(mean, mean)
    variance = sum(float(axis @ covariance @ axis) for axis in (RED_GREEN, YELLOW_BLUE))
    offset = np.hypot(RED_GREEN @ mean, YELLOW_BLUE @ mean)
    return float(np.sqrt(max(0.0, variance)) + 0.3 * offset)
