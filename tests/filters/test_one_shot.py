import cv2
import numpy as np
import pytest

from filters.one_shot import OneShotScorer
from pipelines.recipe.recipes import default
from tests.filters.views import moving, texture, view_of

SIZE = (90, 160)
FPS = 12
BOUND = next(rule.min for rule in default().rules if rule.column == "one_shot")


def _scene(seed, size=(120, 900)):
    """A picture in colours of its own: a texture, tinted by a slower one."""
    light, tint = texture(*size, seed=seed), texture(*size, seed=seed + 50)
    hue = cv2.GaussianBlur(tint, (0, 0), 9).astype(int) // 6 + 37 * seed
    hsv = np.stack([hue % 180, np.full_like(hue, 90), light], axis=-1).astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


def _shot(seed, *, seconds=2.5, speed=4.0):
    return list(moving(_scene(seed), SIZE, lambda t: (speed * t, 0, 1), fps=FPS, seconds=seconds))


def _score(frames):
    return OneShotScorer().score(view_of(frames, fps=FPS))


def _pushed(before, after, num_frames):
    """The second shot pushes the first one out of the picture."""
    joined = []
    for k in range(num_frames):
        at = round(SIZE[1] * (k + 1) / (num_frames + 1))
        joined.append(np.hstack([before[k][:, at:], after[k][:, :at]]))
    return joined


def _blended(before, after, num_frames):
    return [
        cv2.addWeighted(before[k], 1 - (k + 1) / (num_frames + 1), after[k], (k + 1) / (num_frames + 1), 0)
        for k in range(num_frames)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_two_shots_are_told_however_they_are_joined(seed):
    one, other, frames = _shot(seed), _shot(seed + 3), 8
    assert _score(one + other) < BOUND
    assert _score(one + _pushed(one[-frames:], other[:frames], frames) + other) < BOUND
    assert _score(one + _blended(one[-frames:], other[:frames], frames) + other) < BOUND
    assert _score([(frame * 0.3).astype(np.uint8) for frame in one + other]) < BOUND


@pytest.mark.parametrize("speed", [0, 20, 80])
def test_a_camera_that_goes_on_is_one_shot(speed):
    for seed in range(3):
        assert _score(_shot(seed, seconds=6, speed=speed)) > BOUND


def _zoomed(frame):
    return cv2.resize(frame[15:75, 20:127], SIZE[::-1])


def _barred(frame):
    frame = frame.copy()
    frame[:11] = frame[-11:] = 0
    return frame


def _with_a_guest(frame):
    frame = frame.copy()
    frame[20:, 110:150] = (40, 60, 150)
    return frame


@pytest.mark.parametrize("change", [_zoomed, _barred, _with_a_guest, lambda frame: (frame * 0.5).astype(np.uint8)])
def test_events_within_a_shot_divide_nothing(change):
    for seed in range(3):
        frames = _shot(seed, seconds=5)
        assert _score(frames[:30] + [change(frame) for frame in frames[30:]]) > BOUND


def test_flat_pictures_and_noise_in_the_dark_are_one_shot():
    rng = np.random.default_rng(0)
    flat = [np.full((*SIZE, 3), 128, np.uint8)] * 36
    dark = [rng.integers(0, 4, (*SIZE, 3)).astype(np.uint8) for _ in range(36)]
    assert _score(flat) == pytest.approx(1, abs=0.01)
    assert _score(dark) > 0.9


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (2, 3)])
def test_thin_pictures_have_a_score(size):
    assert 0 <= _score([np.full(size, level, np.uint8) for level in range(100, 148)]) <= 1


def test_nothing_divides_a_clip_of_few_samples():
    for frames in (_shot(0, seconds=0.1), _shot(0, seconds=0.7) + _shot(3, seconds=0.7)):
        assert _score(frames) == 1
