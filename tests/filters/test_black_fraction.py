import numpy as np
import pytest

from filters.black_fraction import BlackFractionScorer
from tests.filters.views import texture, view_of


def _fraction(frames):
    return BlackFractionScorer().score(view_of(frames))


def test_counts_black_frames_with_noise():
    rng = np.random.default_rng(0)
    black = [np.clip(rng.normal(3, 3, (90, 160)), 0, 255).astype(np.uint8) for _ in range(12)]
    assert _fraction(black + [texture(90, 160)] * 36) == pytest.approx(0.25)


def test_night_with_a_lamp_is_not_black():
    night = np.full((90, 160), 4, np.uint8)
    night[40:50, 70:80] = 255
    assert _fraction([night] * 12) == 0
