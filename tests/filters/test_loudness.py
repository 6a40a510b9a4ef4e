"""Loudness is that of the tones in EBU Tech 3341 (minimum requirements test signals 1 to 6), within its 0.1 LU."""

from __future__ import annotations

import numpy as np
import pytest

from filters.base import Heard
from filters.loudness import LoudnessScorer
from tests.sound_films import film_with, tone, views

SURROUND_DBFS = (-28.0, -28.0, -24.0, -30.0, -30.0)
"""Signal 6: left, right, centre, both behind."""


def loudness(samples: np.ndarray, *, rate: int = 48_000, layout: str = "stereo") -> float | None:
    return LoudnessScorer().score(Heard(samples=samples, rate=rate, layout=layout))


def in_turn(*parts: tuple[float, float]) -> np.ndarray:
    """Tones of so many dBFS and seconds."""
    return np.concatenate([tone(dbfs, seconds) for dbfs, seconds in parts], axis=1)


@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_tones_of_the_standard(parts: list[tuple[float, float]], lufs: float) -> None:
    assert loudness(in_turn(*parts)) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("layout", ["5.0", "5.1"])
def test_channels_behind_count_more_and_the_low_one_does_not(layout: str) -> None:
    channels = [tone(dbfs, 4, channels=1) for dbfs in SURROUND_DBFS]
    if layout == "5.1":
        channels.insert(3, tone(-6, 4, channels=1))
    assert loudness(np.concatenate(channels), layout=layout) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_at_any_rate(rate: int) -> None:
    assert loudness(tone(-23, 2, rate=rate), rate=rate) == pytest.approx(-23, abs=0.1)


def test_one_channel_is_half_as_much() -> None:
    assert loudness(tone(-20, 2, channels=1), layout="mono") == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("samples", [tone(-23, 0.39), np.zeros((2, 96_000), np.float32), tone(-80, 2)])
def test_what_is_too_short_or_silent_has_none(samples: np.ndarray) -> None:
    assert loudness(samples) is None


def test_of_a_clip_alone(tmp_path) -> None:
    film = film_with(tmp_path / "film.mp4", in_turn((-40, 2), (-23, 2)), codec="aac")
    quiet, loud = (LoudnessScorer().look(view) for view in views(film, (5, 45), (55, 95)))
    assert quiet == pytest.approx(-40, abs=0.2)
    assert loud == pytest.approx(-23, abs=0.2)
