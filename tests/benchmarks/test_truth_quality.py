"""Damage is what it is called, and the table's figures are those of their names."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.truth import quality
from benchmarks.truth.codecs import CODECS
from benchmarks.truth.damage import HARMFUL, HARMLESS, blacks
from benchmarks.truth.material import Take
from benchmarks.truth.quality import spearman
from examples.demo_films.encode import write_video
from tests.filters.views import texture


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return cv2.cvtColor(texture(180, 320), cv2.COLOR_GRAY2BGR)


@pytest.mark.parametrize("name", [*HARMFUL, *HARMLESS])
def test_each_level_is_further_from_the_picture(name: str, picture: np.ndarray) -> None:
    one = {**HARMFUL, **HARMLESS}[name]
    spoilt = [one.spoil(picture, level, np.random.default_rng(0)) for level in one.levels]
    assert {(image.shape, image.dtype) for image in spoilt} == {(picture.shape, picture.dtype)}
    away = [float(np.abs(image.astype(float) - picture).mean()) for image in spoilt]
    assert away == sorted(away)
    assert away[-1] > 1


def test_noise_has_the_deviation_that_is_said(picture: np.ndarray) -> None:
    middle = picture // 4 + np.uint8(96)
    noisy = HARMFUL["noise"].spoil(middle, 8, np.random.default_rng(0)).astype(float)
    assert (noisy - middle).std() == pytest.approx(8, rel=0.05)


def test_blacks_are_dark_and_differ_where_they_are_no_black() -> None:
    made = list(blacks((320, 180), np.random.default_rng(0)))
    assert all(image.mean() < 24 for _, _, image in made)
    assert {truth for _, truth, _ in made} == {True, False}
    assert all(np.ptp(image) > 50 for _, truth, image in made if not truth)


def test_rank_is_one_for_what_rises_at_each_step() -> None:
    assert spearman([1, 2, 5, 9]) == pytest.approx(1)
    assert spearman([9, 5, 2, 1]) == pytest.approx(-1)
    assert 0 < spearman([1, 1, 2, 2]) < 1
    assert math.isnan(spearman([3, 3, 3]))


def test_a_take_is_measured_at_every_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: np.ndarray
) -> None:
    """One series of each kind, on a take of a few frames that pan."""
    monkeypatch.setattr(quality, "FRAMES", 3)
    monkeypatch.setattr(quality, "HARMFUL", {name: HARMFUL[name] for name in ("jpeg", "noise")})
    monkeypatch.setattr(quality, "HARMLESS", {"light": HARMLESS["light"]})
    monkeypatch.setattr(quality, "CODECS", {"x264": CODECS["x264"]})
    wide = cv2.cvtColor(texture(180, 340), cv2.COLOR_GRAY2BGR)
    write_video(tmp_path / "take.mp4", (wide[:, n : n + 320] for n in range(6)), fps=Fraction(24))
    take = Take(path=tmp_path / "take.mp4", scene="take", first=0, end=6, fps=24.0, size=(320, 180))
    found = quality.measured(take, tmp_path, np.random.default_rng(0))
    assert {name: len(levels) for name, levels in found.series.items()} == {
        "jpeg": 7, "noise": 5, "light": 3, "x264": 5, "noise_then_x264": 5,
    }  # fmt: skip
    figures = quality._figures([found])
    assert figures["rank jpeg"] > 0.6
    assert figures["rank jpeg blockiness"] > 0.9
    assert figures["rank noise noise"] == pytest.approx(1)
    assert figures["dropped noise"] == 1
    assert figures["noise error"] < 0.3
