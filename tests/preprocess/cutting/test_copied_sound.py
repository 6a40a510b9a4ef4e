"""The sound of copied pictures: clicks come with their flashes, from any place on, and nothing is encoded again."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from preprocess.cutting.smart import copy_span
from tests.preprocess.cutting.cuts import clip_of, heard
from tests.preprocess.cutting.test_sound import FPS, flashes, onsets
from tests.videos import counter_video

SPANS = {"on_a_key_frame": (100, 150), "before_one": (30, 130), "from_the_begin": (0, 80), "odd": (77, 131)}


@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "kept"),
    [
        ("mp4", "aac", 44_100, True),
        ("ts", "aac", 48_000, True),
        ("mp4", "libmp3lame", 44_100, True),
        ("mkv", "libopus", 48_000, True),
        ("mp4", "ac3", 48_000, True),
        ("mkv", "flac", 48_000, True),
        ("mov", "pcm_s16le", 44_100, False),
    ],
)
def test_clicks_come_with_their_flashes(
    suffix: str, codec: str, rate: int, kept: bool, span: tuple[int, int], tmp_path: Path
) -> None:
    path = flashes(tmp_path / f"film.{suffix}", codec=codec, rate=rate, layout="mono")
    clip = clip_of(path, *span)
    done = copy_span(clip.source, clip, tmp_path / "clip.mp4")
    assert done.has_audio
    expected = [(index - span[0]) / FPS for index in range(max(1, span[0]), span[1]) if index % FPS == 0]
    assert onsets(tmp_path / "clip.mp4") == pytest.approx(expected, abs=0.01)
    with av.open(str(path)) as film, av.open(str(tmp_path / "clip.mp4")) as container:
        names = [each.streams.audio[0].codec_context.name for each in (film, container)]
        assert (names[0] == names[1]) == kept
        stream = container.streams.audio[0]
        assert stream.duration * stream.time_base <= clip.duration_seconds + 0.001


def test_lossless_sound_is_that_of_the_source(tmp_path: Path) -> None:
    """From its first sample on, though the span begins within a packet."""
    path = flashes(tmp_path / "film.mkv", codec="flac", rate=48_000, layout="mono")
    clip = clip_of(path, 77, 131)
    copy_span(clip.source, clip, tmp_path / "clip.mp4")
    whole, rate = heard(path)
    cut, _ = heard(tmp_path / "clip.mp4")
    begin = round(clip.start_seconds * rate)
    count = round(clip.duration_seconds * rate)
    assert len(cut) >= count
    assert np.array_equal(cut[:count], whole[begin : begin + count])


def test_sound_that_begins_late_begins_late(tmp_path: Path) -> None:
    path = flashes(tmp_path / "film.mp4", codec="aac", late=2.5)
    clip = clip_of(path, 30, 130)
    copy_span(clip.source, clip, tmp_path / "clip.mp4")
    assert onsets(tmp_path / "clip.mp4") == pytest.approx([1.8, 2.8, 3.8], abs=0.01)


def test_a_span_that_sound_does_not_reach_has_none(tmp_path: Path) -> None:
    path = flashes(tmp_path / "film.mp4", codec="aac", late=5.5)
    clip = clip_of(path, 0, 120)
    assert not copy_span(clip.source, clip, tmp_path / "clip.mp4").has_audio
    silent = clip_of(counter_video(tmp_path / "silent.mp4"), 0, 36)
    assert not copy_span(silent.source, silent, tmp_path / "clip.mp4").has_audio
