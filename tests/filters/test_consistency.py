"""Consistency: vectors by construction, and a clip with a cut in it against one without."""

from __future__ import annotations

import math

import numpy as np
import pytest

from filters.base import Embedded
from filters.consistency import ConsistencyScorer
from filters.towers.tower import Tower
from tests.filters.views import texture, view_of
from tests.tiny_models import tiny_open_clip


def directions(*degrees):
    radians = np.radians(np.array(degrees, float))
    return np.stack([np.cos(radians), np.sin(radians), np.zeros_like(radians)], axis=1).astype(np.float32)


def consistency(*degrees):
    frames = directions(*degrees)
    return ConsistencyScorer().score(Embedded(frames=frames, uniform=tuple(range(1, len(frames) - 1))))


def test_it_is_the_worst_pair_of_neighbours():
    assert consistency(0, 10, 40, 45, 50) == pytest.approx(math.cos(math.radians(30)), abs=1e-6)


def test_a_missed_cut_shows_and_slow_change_does_not():
    assert consistency(0, 2, 4, 86, 88, 90) < 0.2
    # as far in the end, but never at once
    assert consistency(0, 18, 36, 54, 72, 90) > 0.95


@pytest.mark.parametrize("cut", [1, 5])
def test_a_cut_right_after_the_first_or_before_the_last_frame_shows(cut):
    assert consistency(*[0] * cut, *[90] * (6 - cut)) == pytest.approx(0, abs=1e-6)


def test_one_frame_is_not_measured():
    embedded = Embedded(frames=directions(0), uniform=(0,))
    assert ConsistencyScorer().score(embedded) is None


def test_a_still_clip_is_exactly_consistent():
    assert consistency(33, 33, 33) == pytest.approx(1)
    assert consistency(33, 33, 33) <= 1


def test_a_cut_between_two_pictures_scores_below_either_alone(tmp_path):
    pytest.importorskip("open_clip")
    tower = Tower(name="clip", weights=str(tiny_open_clip(tmp_path)), image_size=32)
    loaded = tower.load()

    def measured(frames):
        pixels, uniform = tower.frames(view_of(frames, fps=2))
        embedded = Embedded(frames=loaded.embed_images(pixels), uniform=uniform)
        return ConsistencyScorer().score(embedded)

    day, night = texture(90, 160, seed=1), 255 - texture(90, 160, seed=2)
    assert measured([day] * 8) > 0.999
    assert measured([night] * 8) > 0.999
    assert measured([day] * 4 + [night] * 4) < 0.9
