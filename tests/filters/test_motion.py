"""Motion against scenes whose movement is known by construction."""

import math

import cv2
import numpy as np
import pytest

from filters.motion import MotionScorer
from tests.filters.views import moving, texture, view_of


def _score(frames, fps=24):
    return MotionScorer().score(view_of(frames, fps=fps))


def _panned(size, percent_a_second, *, angle=0.0, fps=24, seconds=2.6, **options):
    """A camera over a texture at this speed of the longer side; the scene is just large enough for the way."""
    speed = percent_a_second / 100 * max(size)
    right, down = speed * math.cos(angle), speed * math.sin(angle)
    way = [math.ceil(abs(v) * seconds) + 8 for v in (down, right)]
    scene = texture(size[0] + way[0], size[1] + way[1])
    return moving(
        scene,
        size,
        lambda t: (right * (t - seconds / 2), down * (t - seconds / 2), 1),
        fps=fps,
        seconds=seconds,
        **options,
    )


@pytest.mark.parametrize("percent_a_second", [1, 5, 20, 60])
@pytest.mark.parametrize("angle", [0, math.pi / 2, 2.5])
def test_pan_measures_its_speed(percent_a_second, angle):
    scores = _score(_panned((240, 426), percent_a_second, angle=angle))
    assert scores["motion"] == pytest.approx(percent_a_second, rel=0.1)


@pytest.mark.parametrize(("size", "fps"), [((240, 320), 12), ((480, 854), 60), ((1080, 1920), 12), ((640, 360), 25)])
def test_same_speed_at_any_size_and_frame_rate(size, fps):
    assert _score(_panned(size, 8, fps=fps, seconds=2.2), fps)["motion"] == pytest.approx(8, rel=0.1)


def test_whip_pan_is_fast_though_two_samples_share_little_of_the_picture():
    scores = _score(_panned((240, 426), 130, seconds=2.2))
    assert scores["motion"] == pytest.approx(130, rel=0.1)
    assert scores["camera"] == "pan_right"


@pytest.mark.parametrize("rate", [-0.3, -0.1, 0.1])
def test_zoom_measures_its_speed(rate):
    middle = 2 if rate > 0 else 3
    frames = moving(texture(800, 1400), (240, 426), lambda t: (0, 0, middle * math.exp(rate * t)), seconds=2.6)
    distance = np.hypot(*np.meshgrid(np.linspace(-50, 50, 99), np.linspace(-28.2, 28.2, 55))).mean()
    growth = (math.exp(rate / 2) - 1) * 2
    assert _score(frames)["motion"] == pytest.approx(abs(growth) * distance, rel=0.15)


def test_film_on_threes_moves_as_fast_as_film_on_ones():
    frames = list(_panned((240, 426), 6))
    on_threes = [frames[n // 3 * 3] for n in range(len(frames))]
    assert _score(on_threes)["motion"] == pytest.approx(6, rel=0.1)


@pytest.mark.parametrize("noise", [0, 3])
def test_still_scene_does_not_move(noise):
    scores = _score(_panned((240, 426), 0, noise=noise))
    assert scores["motion"] == pytest.approx(0, abs=0.05)
    assert scores["camera"] == "static"


def test_noise_on_a_blank_wall_is_no_motion():
    wall = np.full((300, 500), 120, np.uint8)
    assert _score(moving(wall, (240, 426), lambda t: (0, 0, 1), noise=3))["motion"] < 0.1


def test_shake_cancels_and_a_pan_under_it_stays():
    scene = texture(420, 760)
    shaking = _score(moving(scene, (240, 426), lambda t: (5 * math.sin(25.3 * t), 5 * math.cos(19.7 * t), 1)))
    panning = _score(
        moving(scene, (240, 426), lambda t: (30 * t - 60 + 5 * math.sin(25.3 * t), 5 * math.cos(19.7 * t), 1))
    )
    assert shaking["motion"] < 1
    assert shaking["camera"] == "shaky"
    assert panning["motion"] == pytest.approx(30 / 4.26, rel=0.15)
    assert panning["camera"] == "pan_right"


def test_violent_shake_is_not_taken_for_a_whip_pan():
    frames = moving(texture(420, 760), (240, 426), lambda t: (26 * math.sin(25.3 * t), 26 * math.cos(19.7 * t), 1))
    scores = _score(frames)  # 150 % a second at its fastest
    assert scores["motion"] < 5
    assert scores["camera"] == "shaky"


def test_missed_cut_and_flash_add_no_motion():
    still = list(moving(texture(260, 450), (240, 426), lambda t: (0, 0, 1), seconds=2.2))
    other = list(moving(texture(260, 450, seed=3), (240, 426), lambda t: (0, 0, 1), seconds=2.0))
    flashed = [*still[:24], np.full((240, 426), 255, np.uint8), *still[25:]]
    assert _score(still + other)["motion"] == pytest.approx(0, abs=0.05)
    assert _score(flashed)["motion"] == pytest.approx(0, abs=0.05)


def test_subject_adds_motion_with_its_speed_and_leaves_the_camera_static():
    def frames(speed):
        background, subject = texture(240, 426), texture(80, 80, seed=7)
        for n in range(72):
            left = 20 + round(speed * n / 24)
            frame = background.copy()
            frame[80:160, left : left + 80] = subject
            yield frame

    slow, fast = _score(frames(4)), _score(frames(16))
    assert 0 < slow["motion"] < fast["motion"] < 2
    assert slow["camera"] == fast["camera"] == "static"


def test_texture_tells_a_subjects_motion_and_blur_hides_it():
    def frames(blur):
        subject = texture(100, 100, seed=7)
        for n in range(60):
            frame = np.full((240, 426), 120, np.uint8)
            frame[70:170, 20 + n : 120 + n] = subject
            yield cv2.GaussianBlur(frame, (0, 0), blur)

    assert _score(frames(12))["motion"] < 0.7 * _score(frames(1))["motion"]


def test_one_sampled_frame_tells_no_motion():
    assert MotionScorer().score(view_of([texture(90, 160)])) == {"motion": None, "camera": None}
