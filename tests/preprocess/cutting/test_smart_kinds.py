"""Kinds of films that are cut by copying, or are not, besides those of all codecs and places."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest

from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.smart import copy_span
from tests.preprocess.cutting.cuts import clip_of
from tests.preprocess.cutting.films import Kind, film
from tests.videos import counter_video


@pytest.mark.parametrize("b_frames", [0, 1, 3])
def test_edit_lists_at_ntsc_rates_end_to_the_tick(b_frames: int, tmp_path: Path) -> None:
    """The ends are no whole numbers of milliseconds, in which edit lists count unless told otherwise."""
    options = {"g": "10", "bf": str(b_frames), "x264-params": "b-adapt=0"}
    path = counter_video(tmp_path / "film.mp4", fps=Fraction(30_000, 1001), options=options)
    for end in range(15, 21):
        clip = clip_of(path, 5, end)
        copy_span(clip.source, clip, tmp_path / "clip.mp4")
        assert edited_seconds((tmp_path / "clip.mp4").read_bytes()) == (end - 5) * Fraction(1001, 30_000)


def edited_seconds(movie: bytes) -> Fraction:
    """What the only edit list of an MP4 file adds up to (ISO/IEC 14496-12, sections 8.2.2 and 8.6.6; version 0)."""
    assert movie.count(b"elst") == 1
    header, edits = movie.index(b"mvhd") + 4, movie.index(b"elst") + 4
    (ticks,) = struct.unpack_from(">I", movie, header + 12)
    (count,) = struct.unpack_from(">I", movie, edits + 4)
    lengths = [struct.unpack_from(">I", movie, edits + 8 + 12 * number)[0] for number in range(count)]
    return Fraction(sum(lengths), ticks)


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
