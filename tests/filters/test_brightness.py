import numpy as np
import pytest

from filters.brightness import BrightnessScorer
from tests.filters.views import view_of


@pytest.mark.parametrize("level", [0, 60, 255])
def test_is_the_mean_luma(level):
    frames = [np.full((90, 160, 3), level, np.uint8)] * 24
    assert BrightnessScorer().score(view_of(frames)) == pytest.approx(level, abs=1)


def test_averages_over_the_clip():
    frames = [np.full((90, 160), 40 if n < 48 else 200, np.uint8) for n in range(96)]
    assert BrightnessScorer().score(view_of(frames)) == pytest.approx(120, abs=1)
