"""A clip has sound where something is to be heard, whatever its source has elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from filters.base import Heard
from filters.has_sound import HasSoundScorer
from tests.sound_films import film_with, tone, views

SILENT, NOTHING = {"has_sound": False, "silence": 1.0}, {"has_sound": False, "silence": None}


def score(samples: np.ndarray) -> object:
    return HasSoundScorer().score(Heard(samples=samples, rate=48_000, layout="stereo"))


def test_half_of_it_is_silent() -> None:
    assert score(np.pad(tone(-30, 2), ((0, 0), (96_000, 0)))) == {"has_sound": True, "silence": 0.5}


def test_one_channel_is_enough() -> None:
    assert score(tone(-30, 2) * np.array([[0], [1]], np.float32)) == {"has_sound": True, "silence": 0.0}


@pytest.mark.parametrize(("dbfs", "heard"), [(-70.0, False), (-50.0, True)])
def test_what_is_very_quiet_is_silent(dbfs: float, heard: bool) -> None:
    assert score(tone(dbfs, 2)) == {"has_sound": heard, "silence": float(not heard)}


def test_dither_is_silent() -> None:
    assert score(np.random.default_rng(0).uniform(-1, 1, (2, 96_000)).astype(np.float32) / 2**15) == SILENT


def test_of_each_clip_of_a_film(tmp_path) -> None:
    film = film_with(tmp_path / "film.mp4", tone(-20, 1), codec="aac", late=1.0)
    found = [HasSoundScorer().look(view) for view in views(film, (0, 20), (30, 45), (70, 100))]
    assert found == [SILENT, {"has_sound": True, "silence": 0.0}, SILENT]


def test_without_a_track_and_of_one_that_cannot_be_decoded(tmp_path) -> None:
    (view,) = views(film_with(tmp_path / "film.mp4", None), (0, 50))
    assert HasSoundScorer().look(view) == NOTHING
    film = film_with(tmp_path / "film.mkv", tone(-20, 4), codec="flac")
    film.write_bytes(film.read_bytes().replace(b"A_FLAC", b"A_NONE"))
    (view,) = views(film, (0, 50))
    scorer = HasSoundScorer()
    assert scorer.scores([scorer.look(view)], [{}]) == [{"has_sound": None, "silence": None}]
