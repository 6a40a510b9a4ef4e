"""Clips of one source are found in as few decodes as there have to be, each with its own frames."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import pytest

from preprocess.clip import Clip
from preprocess.clocks import COUNTED, FILE
from preprocess.cutting.spans import frames_by_clip, runs
from preprocess.decode import Video
from tests.preprocess.cutting.cuts import clip_of
from tests.videos import counter_video, read_counter


def clip_at(start: int, end: int, clock: str = FILE) -> Clip:
    """Of a film in seconds."""
    return Clip(
        source_id="a",
        source_uri="/a.mp4",
        start_pts=start,
        end_pts=end,
        time_base=Fraction(1),
        num_frames=1,
        fps=Fraction(1),
        width=2,
        height=2,
        clock=clock,
    )


def test_clips_that_are_far_apart_are_sought_unless_times_are_counted() -> None:
    near, far = [clip_at(0, 5), clip_at(6, 9)], clip_at(100, 103)
    assert runs([far, *near]) == [near, [far]]
    counted = [clip_at(0, 5, COUNTED), clip_at(100, 103, COUNTED)]
    assert runs(counted[::-1]) == [counted]
    assert runs([]) == []


@pytest.mark.parametrize("name", ["film.mp4", "film.h264", "film.avi", "film.ts"])
def test_each_clip_has_its_frames_also_when_another_was_left_in_the_middle(name: str, tmp_path: Path) -> None:
    film = counter_video(tmp_path / name, num_frames=90, options={"g": "12", "bf": "2"})
    spans = [(5, 20), (20, 31), (40, 60), (70, 90)]
    clips = [clip_of(film, *span) for span in spans]
    with Video(clips[0].source, clock=clips[0].clock) as video:
        found = []
        for number, (clip, frames) in enumerate(frames_by_clip(video, clips)):
            assert clip == clips[number]
            taken = itertools.islice(frames, 3) if number % 2 else frames
            found.append([read_counter(frame.raw.to_ndarray(format="gray")) for frame in taken])
    assert found == [list(range(5, 20)), [20, 21, 22], list(range(40, 60)), [70, 71, 72]]
