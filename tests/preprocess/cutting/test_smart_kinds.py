"""Kinds of films that are cut by copying, or are not, besides those of all codecs and places."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.smart import copy_span
from tests.preprocess.cutting.cuts import clip_of
from tests.preprocess.cutting.films import Kind, film
from tests.videos import counter_video


@pytest.mark.parametrize("b_frames", [0, 1, 3])
def test_films_at_ntsc_rates_end_to_the_tick(b_frames: int, tmp_path: Path) -> None:
    """Their ends are no whole numbers of milliseconds, which is what edit lists count in unless told otherwise."""
    options = {"g": "10", "bf": str(b_frames), "x264-params": "b-adapt=0"}
    path = counter_video(tmp_path / "film.mp4", fps=Fraction(30_000, 1001), options=options, tone_hertz=440.0)
    for end in range(15, 36):
        clip = clip_of(path, 5, end)
        copy_span(clip.source, clip, tmp_path / "clip.mp4")
        with av.open(str(tmp_path / "clip.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.duration * stream.time_base == (end - 5) * Fraction(1001, 30_000)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind(suffix="mp4", codec="mpeg4", options={"g": "20"}), "codec mpeg4"),
        (Kind(suffix="mp4", codec="libx264", options={"g": "20", "x264-params": "interlaced=1"}), "interlaced"),
        (Kind(suffix="mp4", codec="libx264", options={"x264-params": "intra-refresh=1:keyint=20"}), "no key frame"),
    ],
)
def test_kinds_that_are_not_joined(kind: Kind, reason: str, tmp_path: Path) -> None:
    path = film(tmp_path, "film", kind)
    clip = clip_of(path, 13, 51)
    with pytest.raises(CannotCopy, match=reason):
        copy_span(clip.source, clip, tmp_path / "clip.mp4")
