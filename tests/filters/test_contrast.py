import numpy as np
import pytest

from filters.contrast import ContrastScorer
from tests.filters.views import texture, view_of


def _contrast(frame):
    return ContrastScorer().score(view_of([frame]))


def test_is_the_distance_of_dark_and_bright_halves():
    frame = np.full((90, 160), 50, np.uint8)
    frame[:, 80:] = 170
    assert _contrast(frame) == pytest.approx(120, abs=2)


def test_ignores_a_small_lamp():
    frame = np.full((90, 160), 50, np.uint8)
    frame[:10, :10] = 255
    assert _contrast(frame) == 0


def test_halves_with_the_range():
    scene = texture(180, 320)
    assert _contrast(scene // 2 + 64) == pytest.approx(_contrast(scene) / 2, rel=0.1)
