from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from filters.freeze_fraction import FreezeFractionScorer
from preprocess.frames import FrameSignals
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


@pytest.mark.parametrize("noise", [0, 1, 3])
def test_a_dot_that_moves_in_a_still_view_is_no_freeze(noise):
    still, rng = texture(240, 400), np.random.default_rng(0)
    frames = []
    for n in range(72):
        frame = cv2.circle(still.copy(), (40 + 2 * n, 120), 3, 255, -1, cv2.LINE_AA)
        frames.append(np.clip(frame + rng.normal(0, noise, still.shape), 0, 255).astype(np.uint8))
    assert _fraction(frames) < 0.05


@pytest.mark.parametrize("light", [1.0, 0.15])
def test_a_slow_push_in_is_no_freeze(light):
    scene = (texture(300, 500) * light).astype(np.uint8)
    assert _fraction(moving(scene, (240, 400), lambda t: (0, 0, 1 + 0.01 * t), seconds=3.0)) < 0.05


@pytest.mark.parametrize("noise", [1, 3])
def test_grain_over_photographs_does_not_hide_that_they_stand_still(noise):
    one = list(moving(texture(200, 300), (120, 200), lambda t: (0, 0, 1), seconds=2.0, noise=noise))
    other = list(moving(texture(200, 300, seed=1), (120, 200), lambda t: (0, 0, 1), seconds=2.0, noise=noise))
    assert _fraction(one) > 0.9
    assert _fraction(one + other) > 0.9


def test_two_pictures_a_second_are_a_row_of_stills():
    pictures = [texture(120, 200, seed=seed) for seed in range(6)]
    assert _fraction([picture for picture in pictures for _ in range(12)]) > 0.9


def test_a_second_without_movement_in_grainy_film_is_no_freeze(moving_frames):
    still = list(moving(texture(200, 400), (120, 200), lambda t: (20 * 47 / 24, 0, 1), seconds=1.5, noise=1))
    assert _fraction(moving_frames + still) == 0


def test_photograph_is_frozen():
    assert _fraction([texture(120, 200)] * 48) > 0.95


def test_one_picture_a_second_is_a_row_of_stills():
    pictures = [texture(120, 200, seed=seed) for seed in range(3)]
    assert _fraction([picture for picture in pictures for _ in range(24)]) > 0.9


def test_pictures_that_are_mended_for_a_second_after_they_come_are_a_row_of_stills():
    rng = np.random.default_rng(0)

    def mended(seed):
        picture = texture(120, 200, seed=seed)
        for _ in range(24):
            yield picture
            picture = np.where(rng.random(picture.shape) < 0.08, picture ^ 1, picture)

    assert _fraction([frame for seed in range(3) for frame in mended(seed)]) > 0.7


def _timed(changes, begins, end):
    still = view_of([texture(60, 80)] * 2, fps=1)
    clip = replace(still.clip, start_pts=0, end_pts=round(end * 1000), time_base=Fraction(1, 1000))
    values = np.zeros(len(begins))
    signals = FrameSignals(
        seconds=np.array(begins), luma_mean=values, luma_std=values, change=np.array([np.nan, *changes])
    )
    return FreezeFractionScorer().score(replace(still, clip=clip, signals=signals))


def test_a_picture_that_is_shown_once_for_long_stands_as_one_that_is_repeated():
    moving = [n / 24 for n in range(36)]
    once = _timed([9.0] * 37, [*moving, 1.5, 9.5 - 1 / 24], 9.5)
    repeated = _timed([9.0] * 36 + [0.0] * 4, [*moving, 1.5, 3.5, 5.5, 7.5, 9.4], 9.5)
    assert once == pytest.approx(8 / 9.5, abs=0.02)
    assert repeated == pytest.approx(8 / 9.5, abs=0.02)


def test_one_picture_a_second_that_is_always_another_is_the_pace_of_the_clip():
    assert _timed([9.0] * 8, list(range(9)), 9) == 0


def _mended(picture, count, rng):
    for _ in range(count):
        yield picture
        picture = np.where(rng.random(picture.shape) < 0.08, picture ^ 1, picture)


@pytest.mark.parametrize("order", [1, -1])
def test_a_picture_that_is_mended_while_it_is_held_stands_still_beside_movement(moving_frames, order):
    held = list(_mended(moving_frames[-1], 36, np.random.default_rng(0)))
    assert _fraction([*moving_frames, *held][::order]) == pytest.approx(36 / 84, abs=0.03)


def test_what_comes_to_rest_by_degrees_is_not_held():
    slower = moving(texture(200, 400), (120, 200), lambda t: (40 * (t - t * t / 4), 0, 1), seconds=2.0)
    frames = list(slower)
    assert _fraction([*frames, *_mended(frames[-1], 36, np.random.default_rng(0))]) == 0


def test_a_dot_that_moves_while_all_else_is_mended_is_no_freeze(moving_frames):
    held = _mended(moving_frames[-1], 36, np.random.default_rng(0))
    dotted = [cv2.circle(frame.copy(), (20 + 4 * n, 60), 2, 255, -1) for n, frame in enumerate(held)]
    assert _fraction([*moving_frames, *dotted]) == 0


def _coded_anew(still, times, rng):
    """Blocks of it by other levels, too few to count in the mean."""
    for _ in range(times):
        picture = still.astype(np.int16)
        for top, left in zip(rng.integers(0, 110, 8), rng.integers(0, 190, 8), strict=True):
            picture[top : top + 8, left : left + 8] += 12
        yield from [np.clip(picture, 0, 255).astype(np.uint8)] * 12


def test_a_still_stays_one_where_each_half_second_is_coded_anew():
    still, rng = texture(120, 200) // 4 + 96, np.random.default_rng(0)
    assert _fraction(_coded_anew(still, 6, rng)) > 0.9


def test_a_dot_that_moves_in_a_still_that_is_coded_anew_is_no_freeze():
    still, rng = texture(120, 200) // 4 + 96, np.random.default_rng(0)
    frames = enumerate(_coded_anew(still, 6, rng))
    assert _fraction([cv2.circle(frame.copy(), (20 + 2 * n, 60), 3, 255, -1) for n, frame in frames]) < 0.2
