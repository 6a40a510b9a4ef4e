"""One number for the plainest faults of a picture: blurry, dim, blown out or washed out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from filters.base import Scorer
from filters.brightness import brightness
from filters.contrast import contrast
from filters.sharpness import sharpness
from preprocess.frames import FrameView

SHARPNESS_RAMP = (0.28, 0.52)
"""On real footage unblurred frames give 0.51 to 0.79, and 0.16 to 0.27 after a Gaussian of sigma 8 at 1280 wide."""
DARK_RAMP = (12.0, 45.0)
"""Real frames start at 44 (a street at night); a tenth of an ordinary picture's light is about 13."""
BLOWN_RAMP = (252.0, 235.0)
CONTRAST_RAMP = (10.0, 50.0)


@dataclass(frozen=True, slots=True)
class VisualQualityScorer(Scorer):
    """`visual_quality`: 0 (blurred or very dark) to 1 (clean, sharp, bright).

    The product of four smooth steps, one for each of sharpness, brightness from below, brightness from above, and
    contrast; 0 at the first number of its ramp, 1 at the second. A clip has to be good at all of them.
    """

    name: ClassVar[str] = "visual_quality"

    def score(self, view: FrameView) -> float:
        """A clip without a single edge has no quality: 0."""
        light = brightness(view)
        return (
            _ramp(sharpness(view) or 0.0, SHARPNESS_RAMP)
            * _ramp(light, DARK_RAMP)
            * _ramp(light, BLOWN_RAMP)
            * _ramp(contrast(view), CONTRAST_RAMP)
        )


def _ramp(value: float, ends: tuple[float, float]) -> float:
    """Smoothstep from 0 at the first end to 1 at the second."""
    share = min(1.0, max(0.0, (value - ends[0]) / (ends[1] - ends[0])))
    return share * share * (3 - 2 * share)
