"""Camera words against cameras that are moved over a still scene, and the fit against fields with known parameters."""

import math

import numpy as np
import pytest

from benchmarks.truth.moving import before, camera
from filters.flow.camera import GlobalMotion, fit_camera
from filters.flow.words import camera_word
from filters.motion import MotionScorer
from tests.filters.views import moving, texture, view_of

WAYS = {
    "pan_right": lambda t: (20 * t, 0, 1),
    "pan_left": lambda t: (-20 * t, 0, 1),
    "tilt_down": lambda t: (0, 20 * t, 1),
    "tilt_up": lambda t: (0, -20 * t, 1),
    "zoom_in": lambda t: (0, 0, 1.2 * math.exp(0.1 * t)),
    "zoom_out": lambda t: (0, 0, 1.8 * math.exp(-0.1 * t)),
    "static": lambda t: (0, 0, 1),
    "shaky": lambda t: (8 * math.sin(17.1 * t), 8 * math.cos(23.3 * t), 1),
    "handheld": lambda t: (2 * math.sin(17.1 * t), 2 * math.cos(23.3 * t), 1),
}


@pytest.mark.parametrize("word", WAYS)
def test_camera_is_named_by_what_it_does(word):
    frames = moving(texture(420, 640), (240, 426), WAYS[word], seconds=3.0)
    assert MotionScorer().score(view_of(frames))["camera"] == word


@pytest.mark.parametrize(("rate", "word"), [(0.15, "roll_right"), (-0.06, "roll_left")])
def test_rolling_camera_is_named_by_the_side_it_leans_to(rate, word):
    scene = texture(420, 640)
    frames = (camera(scene, (426, 240), roll=rate * (n / 24 - 1.5)) for n in range(72))
    assert MotionScorer().score(view_of(frames))["camera"] == word


def test_camera_that_goes_with_a_subject_is_tracking_and_its_pan_is_measured():
    look = before(texture(420, 640), texture(240, 426, seed=7), 0.2, 0.0, background=8.0)
    scores = MotionScorer().score(view_of([look(n / 12) for n in range(36)], fps=12))
    assert scores["camera"] == "tracking"
    assert scores["motion"] == pytest.approx(8 * 0.8, rel=0.3)


def test_subtitles_before_a_pan_are_no_subject():
    def frames():
        for frame in moving(texture(420, 900), (240, 426), lambda t: (30 * t, 0, 1), seconds=3.0):
            frame[205:225, 100:330] = 20
            frame[208:222:3, 104:326] = 240
            yield frame

    assert MotionScorer().score(view_of(frames()))["camera"] == "pan_right"


def test_a_subject_that_shows_all_there_is_to_see_is_not_the_camera():
    def frames():
        subject = texture(110, 110, seed=7)
        for n in range(72):
            frame = np.full((240, 426), 120, np.uint8)
            frame[65:175, 40 + 2 * n : 150 + 2 * n] = subject
            yield frame

    assert MotionScorer().score(view_of(frames()))["camera"] in (None, "static")


def test_pan_under_a_flat_sky_is_named():
    scene = np.vstack([np.full((220, 900), 150, np.uint8), texture(200, 900)])
    frames = moving(scene, (240, 426), lambda t: (-30 * t, 0, 1), seconds=3.0)
    assert MotionScorer().score(view_of(frames))["camera"] == "pan_left"


def test_tripod_stays_static_before_a_subject_that_fills_half_of_the_picture():
    def frames():
        background, subject = texture(240, 426), texture(240, 200, seed=7)
        for n in range(72):
            frame = background.copy()
            left = 100 + round(30 * math.sin(n / 5))
            frame[20:, left : left + 200] = subject[:220]
            yield frame

    assert MotionScorer().score(view_of(frames()))["camera"] == "static"


def test_fit_finds_the_camera_behind_a_moving_subject():
    x, y = np.meshgrid(np.linspace(-50, 50, 32, dtype=np.float32), np.linspace(-28, 28, 18, dtype=np.float32))
    truth = GlobalMotion(right=3, down=-1, growth=0.05, turn=0.02, support=1)
    u, v = truth.field(x, y)
    subject = (x > 0) & (x < 35) & (np.abs(y) < 20)
    u, v = np.where(subject, -9, u), np.where(subject, 4, v)
    found = fit_camera(u, v, np.ones_like(x), x, y, 0.1)
    assert (found.right, found.down) == pytest.approx((3, -1), abs=0.05)
    assert (found.growth, found.turn) == pytest.approx((0.05, 0.02), abs=0.002)
    assert 0.6 < found.support < 1


def test_a_subject_before_a_wall_that_shows_little_is_not_the_camera():
    x, y = np.meshgrid(np.linspace(-50, 50, 32, dtype=np.float32), np.linspace(-28, 28, 18, dtype=np.float32))
    subject = np.abs(x) < 30
    u, seen = np.where(subject, np.float32(10), np.float32(0)), np.where(subject, np.float32(1), np.float32(0.3))
    found = fit_camera(u, np.zeros_like(u), seen, x, y, 0.1)
    assert (found.right, found.down) == (0, 0)
    assert fit_camera(np.full_like(u, 10), np.zeros_like(u), seen, x, y, 0.1).right == pytest.approx(10)


def test_unclear_steps_give_no_word():
    unclear = GlobalMotion(right=8, down=0, growth=0, turn=0, support=0.2)
    clear = GlobalMotion(right=8, down=0, growth=0, turn=0, support=0.9)
    assert camera_word([unclear, unclear, clear], []) is None
    assert camera_word([], []) is None
