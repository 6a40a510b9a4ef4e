import numpy as np
import pytest

from filters.noise import NoiseScorer
from tests.filters.views import texture, view_of


def _noise(frame):
    return NoiseScorer().score(view_of([frame]))


def _noisy(frame, sigma):
    rng = np.random.default_rng(0)
    return np.clip(np.rint(frame + rng.normal(0, sigma, frame.shape)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [2, 4, 8, 16, 24])
def test_is_the_deviation_of_the_noise(sigma):
    assert _noise(_noisy(texture(720, 1280) // 2 + 64, sigma)) == pytest.approx(sigma, rel=0.2)


def test_edges_and_slopes_are_no_noise():
    scene = np.tile(np.linspace(20, 230, 640).astype(np.uint8), (360, 1))
    rng = np.random.default_rng(1)
    for _ in range(60):
        x, y = rng.integers(0, (560, 300))
        scene[y : y + 50, x : x + 70] = rng.integers(10, 240)
    assert _noise(scene) < 0.5


def test_black_bars_do_not_hide_it():
    frame = _noisy(texture(720, 1280) // 2 + 64, 8)
    frame[:120] = frame[-120:] = 0
    assert _noise(frame) == pytest.approx(8, rel=0.2)


def test_nothing_to_judge_in_black():
    assert _noise(np.zeros((360, 640), np.uint8)) is None
