import cv2
import numpy as np
import pytest

from filters.letterbox import LetterboxScorer
from tests.filters.views import moving, texture, view_of


def _box(frames):
    scores = LetterboxScorer().score(view_of(frames))
    return tuple(scores[f"crop_{side}"] for side in ("left", "top", "right", "bottom"))


def _framed(size, box, noise=0.0):
    """Moving content in `box` (left, top, right, bottom) of black frames `size` (height, width)."""
    left, top, right, bottom = box
    rng = np.random.default_rng(0)
    scene = texture(bottom - top + 60, right - left + 60)
    for content in moving(scene, (bottom - top, right - left), lambda t: (8 * t, 0, 1), seconds=2.0, fps=12):
        frame = np.zeros(size, np.float32)
        frame[top:bottom, left:right] = content
        yield np.clip(frame + rng.normal(0, noise, size) if noise else frame, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((720, 1280), (0, 92, 1280, 628)),
        ((1080, 1920), (0, 140, 1920, 940)),
        ((480, 854), (107, 0, 747, 480)),
        ((480, 640), (40, 60, 600, 420)),
        ((360, 640), (0, 0, 640, 360)),
        ((360, 640), (0, 50, 640, 360)),
    ],
)
def test_finds_the_content(size, box):
    assert _box(_framed(size, box)) == pytest.approx(box, abs=3)


def test_noise_in_the_bars_does_not_hide_them():
    assert _box(_framed((360, 640), (0, 45, 640, 315), noise=6)) == pytest.approx((0, 45, 640, 315), abs=2)


def test_subtitle_in_the_lower_bar_is_cut_away_with_it():
    frames = list(_framed((360, 640), (0, 60, 640, 300)))
    for frame in frames:
        cv2.putText(frame, "Where have you been?", (150, 335), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    assert _box(frames) == pytest.approx((0, 60, 640, 300), abs=2)


def test_dark_scenes_have_no_bars():
    black = np.zeros((360, 640), np.uint8)
    lamp = cv2.circle(black.copy(), (300, 150), 60, 255, -1)
    wide_lamp = cv2.circle(black.copy(), (320, 180), 150, 200, -1)
    for frame in (black, lamp, wide_lamp):
        assert _box([frame] * 24) == (0, 0, 640, 360)


def test_bars_must_persist():
    fade_in = [np.zeros((360, 640), np.uint8)] * 12 + [texture(360, 640)] * 12
    assert _box(fade_in) == (0, 0, 640, 360)
