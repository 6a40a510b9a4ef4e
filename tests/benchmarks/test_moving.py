"""Made motion is as fast as is said, and the table finds what a measure does to it."""

import cv2
import numpy as np
import pytest

from benchmarks.truth import motion
from benchmarks.truth.moving import SIZE, Change, before, scenes
from tests.filters.views import texture

PICTURES = [texture(360, 640, seed=seed) for seed in (1, 2)]


def shift(a, b):
    (right, down), _ = cv2.phaseCorrelate(
        a.astype(np.float64), b.astype(np.float64), cv2.createHanningWindow(SIZE, cv2.CV_64F)
    )
    return right, down


def test_pans_move_as_far_as_they_say_against_the_camera():
    ways = {"pan_right": (-1, 0), "tilt_down": (0, -1)}
    clips = [clip for clip in scenes(PICTURES, np.random.default_rng(0)) if clip.kind == "pan" and clip.speed == 12]
    assert {clip.word for clip in clips} == set(ways)
    for clip in clips:
        pixels = 12 / 100 * max(SIZE) / 4
        assert shift(clip.look(1.0), clip.look(1.25)) == pytest.approx(np.multiply(ways[clip.word], pixels), abs=0.5)


def test_subject_covers_its_share_and_all_else_stands():
    black, white = np.zeros((360, 640), np.uint8), np.full((360, 640), 255, np.uint8)
    look = before(black, white, 0.08, 25.0)
    for seconds in (0.0, 1.0, 3.9):
        assert look(seconds).mean() / 255 == pytest.approx(0.08, rel=0.03)
    middles = [np.nonzero(look(seconds))[1].mean() for seconds in (0.0, 0.2)]
    assert abs(middles[1] - middles[0]) == pytest.approx(0.2 * 0.25 * 640, abs=1)


def test_changes_leave_out_motion():
    picture = PICTURES[0]
    assert Change(light=0.25)(picture, np.random.default_rng(0)).mean() == pytest.approx(picture.mean() / 4, rel=0.01)
    noise = Change(noise=8)(picture, np.random.default_rng(0)).astype(float) - picture
    assert noise.std() == pytest.approx(8, rel=0.05)


def test_table_tells_the_error_of_each_kind(monkeypatch):
    chosen = [clip for clip in scenes(PICTURES, np.random.default_rng(0)) if clip.kind in ("pan", "static")][:6]
    monkeypatch.setattr(motion, "scenes", lambda *_: [clip for clip in chosen if clip.speed in (4.0, 0.0, 12.0)])
    figures = motion.tables(PICTURES, seed=0)
    assert figures["pan_error"] < 0.05
    assert figures["words_right"] == 1
    assert figures["words_wrong"] == 0
