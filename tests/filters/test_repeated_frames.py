import numpy as np
import pytest

from filters.repeated_frames import RepeatedFramesScorer
from tests.filters.views import moving, texture, view_of

SIZE = (120, 200)


def _pan(fps, seconds=2.0, noise=0.0):
    scene = texture(200, 500)
    return list(moving(scene, SIZE, lambda t: (40 * t, 0, 1), fps=fps, seconds=seconds, noise=noise))


def _scores(frames, fps):
    return RepeatedFramesScorer().score(view_of(frames, fps=fps))


@pytest.mark.parametrize(("fps", "true_fps"), [(24, 24), (24, 12), (24, 8), (60, 30), (60, 12), (60, 20), (24, 4)])
def test_finds_the_rate_of_the_pictures(fps, true_fps):
    frames = [frame for frame in _pan(true_fps, seconds=3.0) for _ in range(fps // true_fps)]
    scores = _scores(frames, fps)
    assert scores["true_fps"] == pytest.approx(true_fps, rel=0.08)
    assert scores["repeated_frames"] == pytest.approx(1 - true_fps / fps, abs=0.05)


def test_finds_film_in_a_file_of_60():
    """24 in 60: a frame is shown three times, the next one twice."""
    frames = [frame for n, frame in enumerate(_pan(24)) for _ in range(3 - n % 2)]
    assert _scores(frames, 60)["true_fps"] == pytest.approx(24, rel=0.05)


def test_what_coding_changes_in_a_repeated_frame_does_not_count():
    rng = np.random.default_rng(0)
    frames = []
    for frame in _pan(12):
        low = rng.normal(0, 0.4, frame.shape)
        frames += [frame, np.clip(np.rint(frame + low), 0, 255).astype(np.uint8)]
    assert _scores(frames, 24)["true_fps"] == pytest.approx(12, rel=0.1)


def test_uneven_movement_is_no_repetition():
    scene = texture(200, 500)
    frames = moving(scene, SIZE, lambda t: (30 * t + 6 * np.sin(5 * t), 0, 1), seconds=3.0)
    assert _scores(frames, 24)["repeated_frames"] < 0.05


def test_a_still_view_says_nothing():
    assert _scores([texture(*SIZE)] * 48, 24) == {"repeated_frames": None, "true_fps": None}
    assert _scores(_pan(24)[:5], 24) == {"repeated_frames": None, "true_fps": None}
