"""Motion against scenes whose movement is known by construction."""

import math

import cv2
import numpy as np
import pytest

from benchmarks.truth.moving import AS_IS, Change, before, page
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


PICTURES = [texture(360, 640, seed=seed) for seed in (1, 2)]


def _subject(area, speed, change=AS_IS, seconds=2.6):
    look, rng = before(*PICTURES, area, speed), np.random.default_rng(0)
    return _score([change(look(n / 12), rng) for n in range(round(12 * seconds))], fps=12)["motion"]


@pytest.mark.parametrize(("area", "speed"), [(0.02, 10), (0.08, 2), (0.08, 25), (0.25, 10), (0.25, 40)])
def test_subject_before_a_still_camera_moves_as_fast_as_it_does(area, speed):
    assert _subject(area, speed) == pytest.approx(area * speed, rel=0.3)


@pytest.mark.parametrize(
    ("change", "within"),
    [(Change(light=0.25), 0.15), (Change(contrast=0.3), 0.15), (Change(noise=8), 0.15), (Change(blur=2), 0.25)],
    ids=str,
)
def test_light_noise_and_focus_are_no_motion(change, within):
    assert _subject(0.08, 10, change) == pytest.approx(_subject(0.08, 10), rel=within)


@pytest.mark.parametrize("speed", [2, 10, 25])
def test_what_is_plain_within_a_subject_moves_with_it(speed):
    plain = cv2.ellipse(PICTURES[1].copy(), (320, 180), (50, 60), 0, 0, 360, 150, -1)  # 0.6 of the subject
    look = before(PICTURES[0], plain, 0.25, speed)
    assert _score([look(n / 24) for n in range(62)])["motion"] == pytest.approx(0.25 * speed, rel=0.25)


def test_what_stands_still_and_is_enclosed_by_movement_does_not_move_with_it():
    look, still = before(*PICTURES, 0.25, 4), texture(160, 140, seed=4)
    frames = [look(n / 12) for n in range(31)]
    for frame in frames:
        frame[100:260, 190:330] = still
    assert _score(frames, fps=12)["motion"] < 0.8 * _subject(0.25, 4)


def test_hand_that_moves_for_a_quarter_of_the_time_counts_a_quarter():
    look = before(*PICTURES, 0.05, 12)
    moves, rests = ([look(t) for t in times] for times in (np.arange(12) / 12, [1.0] * 36))
    assert _score([*rests[:18], *moves[::-1], *rests[18:]], fps=12)["motion"] == pytest.approx(0.15, rel=0.4)


def test_light_that_goes_up_and_down_is_no_motion():
    still = texture(240, 426)
    frames = [np.clip(still * (0.6 + 0.3 * math.sin(n / 5)), 0, 255).astype(np.uint8) for n in range(60)]
    assert _score(frames)["motion"] < 0.05


def test_page_that_scrolls_is_not_static():
    sheet = page(np.random.default_rng(0))
    scores = _score([sheet[5 * n : 5 * n + 360] for n in range(36)], fps=12)
    assert scores["motion"] == pytest.approx(5 * 12 / 6.4, rel=0.15)
    assert scores["camera"] == "tilt_down"


def test_one_sampled_frame_tells_no_motion():
    assert MotionScorer().score(view_of([texture(90, 160)])) == {"motion": None, "camera": None}
