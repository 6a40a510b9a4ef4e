"""A file over its bounds gives what was found before, and says why it ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from preprocess.clip import Clip, Source, Window
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.file_bounds import FileBounds
from preprocess.observe import ClipLengths, observe
from preprocess.shots.detector import ShotConfig
from tests import videos
from tests.fault_films import FAULT_FILMS, MAX_PIXELS


def opened(path: Path, bounds: FileBounds) -> Video:
    return Video(Source(uri=os.fspath(path), size_bytes=0, modified_ns=0), bounds=bounds)


def clips(video: Video) -> list[Clip]:
    return [seen.clip for seen in observe(video, ShotConfig(), ClipLengths(), Window())]


def test_work_beyond_the_bound_ends_the_frames(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    videos.shots_video(path, seconds=(4.0,) * 12, openings=("cut",) * 12, size=(96, 54))
    began = time.thread_time()
    with opened(path, FileBounds()) as video:
        whole = clips(video)
        assert video.stopped is None
    bounds = FileBounds(work_seconds=(time.thread_time() - began) / 2, work_per_second=1e-6)
    with opened(path, bounds) as video:
        part = clips(video)
        assert video.stopped is not None
        assert video.stopped.reason == "too_slow"
    assert 1 < len(part) < len(whole)
    assert part[:-1] == whole[: len(part) - 1]


def test_what_has_no_frame_within_the_bound_cannot_be_opened(tmp_path: Path) -> None:
    path = videos.counter_video(tmp_path / "v.mp4")
    with pytest.raises(MediaError, match="too_slow"):
        opened(path, FileBounds(work_seconds=1e-9, work_per_second=1e-9))


def test_waiting_is_no_work(tmp_path: Path) -> None:
    """A suspended process, a busy machine, a slow bucket."""
    with opened(videos.counter_video(tmp_path / "v.mp4"), FileBounds(work_seconds=1.0)) as video:
        for number, _ in enumerate(video.frames()):
            if number == 0:
                time.sleep(1.5)
        assert video.stopped is None
    assert number == 35


def test_frames_that_grow_over_the_bound_end_the_film_there(tmp_path: Path) -> None:
    path = tmp_path / "v.ts"
    FAULT_FILMS["huge_later.ts"].build(path)
    with opened(path, FileBounds(max_pixels=MAX_PIXELS)) as video:
        assert [clip.width for clip in clips(video)] == [160]
        assert video.stopped is not None
        assert str(video.stopped).startswith("too_large: 320x180")
    with opened(path, FileBounds()) as video:
        assert [clip.width for clip in clips(video)] == [160, 320, 160]


@pytest.mark.parametrize("setting", ["work_seconds", "work_per_second", "max_pixels", "sidecar_bytes"])
def test_bounds_are_positive(setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        FileBounds(**{setting: 0})
