"""The offset is by how much later the sound was put into the file."""

from __future__ import annotations

import pytest

from filters.sound_offset import SoundOffsetScorer
from tests.sound_films import film_with, tone, views

OF_AN_ENCODER_MS = 1000 * 1024 / 48_000 + 1
"""What AAC's encoder puts before the sound, and how exact its container is."""


@pytest.mark.parametrize("late", [0.0, 0.3, 1.2])
@pytest.mark.parametrize(
    ("name", "codec", "off"),
    [
        ("film.mkv", "flac", 1),
        ("film.mov", "pcm_s16le", 1),
        ("film.mp4", "aac", OF_AN_ENCODER_MS),
        ("film.ts", "mp2", 12),
    ],
)
def test_the_offset_that_was_put_there(name: str, codec: str, off: float, late: float, tmp_path) -> None:
    for view in views(film_with(tmp_path / name, tone(-20, 2), codec=codec, late=late), (0, 20), (50, 75)):
        assert SoundOffsetScorer().score(view) == pytest.approx(1000 * late, abs=off)


def test_none_without_sound(tmp_path) -> None:
    (view,) = views(film_with(tmp_path / "film.mp4", None), (0, 50))
    assert SoundOffsetScorer().score(view) is None
