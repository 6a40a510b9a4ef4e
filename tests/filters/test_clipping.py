"""Peaks that are cut off count, by how long they are; peaks that just fit do not."""

from __future__ import annotations

import numpy as np
import pytest

from filters.base import Heard
from filters.clipping import ClippingScorer
from tests.sound_films import film_with, tone, views


def clipping(samples: np.ndarray) -> float:
    return ClippingScorer().score(Heard(samples=samples, rate=48_000, layout="stereo"))


@pytest.mark.parametrize("gain", [1.2, 2.0, 4.0])
def test_share_of_a_sine_that_is_cut_off(gain: float) -> None:
    samples = np.clip(gain * tone(0, 1, hertz=97), -1, 1)
    assert clipping(samples) == pytest.approx(1 - 2 / np.pi * np.arcsin(1 / gain), abs=0.005)


def test_of_one_channel_in_two() -> None:
    samples = np.clip(tone(0, 1, hertz=97) * np.array([[4], [0.5]], np.float32), -1, 1)
    assert clipping(samples) == pytest.approx(0.5 - 1 / np.pi * np.arcsin(1 / 4), abs=0.005)


@pytest.mark.parametrize("samples", [tone(0, 1), tone(-0.1, 1, hertz=50), np.zeros((2, 1), np.float32)])
def test_what_fits_is_whole(samples: np.ndarray) -> None:
    assert clipping(samples) == 0


@pytest.mark.parametrize(("run", "share"), [(1, 0.0), (2, 0.0), (3, 0.3), (5, 0.5)])
def test_runs_from_three_on(run: int, share: float) -> None:
    samples = np.zeros((2, 4800), np.float32).reshape(2, -1, 10)
    samples[:, :, :run] = -1
    assert clipping(samples.reshape(2, -1)) == pytest.approx(share)


@pytest.mark.parametrize(("gain", "least", "most"), [(0.9, 0.0, 0.0), (3.0, 0.0001, 0.13)])
def test_what_a_lossy_codec_leaves_of_it(gain: float, least: float, most: float, tmp_path) -> None:
    """Of what is nearer to music than a sine: chords, noise, a beat. 12 % of it is cut off at three times the level."""
    times = np.arange(4 * 48_000) / 48_000
    chord = sum(np.sin(2 * np.pi * hertz * times + hertz) / 5 for hertz in (110, 220, 331, 1300, 2750))
    chord = (chord + np.random.default_rng(0).normal(0, 0.05, len(times))) * (1 + 0.5 * np.sin(4 * np.pi * times)) / 1.5
    sound = np.tile(np.clip(gain * chord, -1, 1).astype(np.float32), (2, 1))
    (view,) = views(film_with(tmp_path / "film.mp4", sound, codec="aac"), (25, 75))
    assert least <= ClippingScorer().look(view) <= most
