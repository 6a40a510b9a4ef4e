import cv2
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


def test_a_dim_scene_is_not_black():
    for light in (0.15, 0.08, 0.05):
        assert _fraction([np.rint(texture(360, 640) * light).astype(np.uint8)] * 12) == 0


def test_stars_and_titles_are_not_black():
    rng = np.random.default_rng(0)
    stars, title = np.zeros((2, 720, 1280), np.uint8)
    stars[rng.integers(0, 720, 300), rng.integers(0, 1280, 300)] = 200
    cv2.putText(title, "THE END", (450, 380), cv2.FONT_HERSHEY_SIMPLEX, 2.5, 220, 6)
    assert _fraction([stars] * 3) == 0
    assert _fraction([title] * 3) == 0


def test_raised_black_and_a_logo_on_black_are_black():
    rng = np.random.default_rng(0)
    raised = np.clip(rng.normal(16, 2, (360, 640)), 0, 255).astype(np.uint8)
    logo = np.zeros((360, 640), np.uint8)
    cv2.putText(logo, "TV1", (540, 45), cv2.FONT_HERSHEY_SIMPLEX, 1, 220, 3)
    assert _fraction([raised] * 12) == 1
    assert _fraction([logo] * 12) == 1


def test_counts_to_the_frame():
    black = np.zeros((90, 160), np.uint8)
    assert _fraction([black] * 7 + [texture(90, 160)] * 41) == pytest.approx(7 / 48)
