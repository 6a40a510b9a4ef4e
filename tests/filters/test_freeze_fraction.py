import pytest

from filters.freeze_fraction import FreezeFractionScorer
from tests.filters.views import moving, texture, view_of


def _fraction(frames, fps=24):
    return FreezeFractionScorer().score(view_of(frames, fps=fps))


@pytest.fixture(scope="module")
def moving_frames():
    return list(moving(texture(200, 400), (120, 200), lambda t: (20 * t, 0, 1), seconds=2.0))


def test_counts_held_frames(moving_frames):
    assert _fraction(moving_frames + [moving_frames[-1]] * 48) == pytest.approx(0.5)


@pytest.mark.parametrize("repeats", [2, 3, 4])
def test_repeated_frames_of_slower_film_are_not_frozen(moving_frames, repeats):
    assert _fraction([frame for frame in moving_frames for _ in range(repeats)]) == 0


def test_short_hold_is_not_frozen(moving_frames):
    assert _fraction(moving_frames + [moving_frames[-1]] * 10 + moving_frames) == 0


def test_still_camera_with_sensor_noise_is_not_frozen():
    assert _fraction(moving(texture(200, 300), (120, 200), lambda t: (0, 0, 1), seconds=2.0, noise=1)) == 0


def test_photograph_is_frozen():
    assert _fraction([texture(120, 200)] * 48) > 0.95
