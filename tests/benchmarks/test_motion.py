"""The reference of the motion benchmark knows a speed by construction, and only order counts."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.motion import main, measured_motion, reference_motion, spearman
from preprocess.clip import Source
from tests.videos import moving_texture, text_file


def source(path: Path) -> Source:
    return Source(uri=os.fspath(path), size_bytes=path.stat().st_size, modified_ns=0)


@pytest.mark.parametrize("percent_per_second", [0.5, 4])
def test_reference_is_the_speed_in_percent_of_the_longer_side(tmp_path: Path, percent_per_second: float) -> None:
    video = source(moving_texture(tmp_path / "texture.mp4", percent_per_second=percent_per_second, seconds=4))
    ((clip, _),) = measured_motion(video)
    (speed,) = reference_motion(video, [clip])
    assert speed == pytest.approx(percent_per_second, rel=0.1)


def test_reference_looks_at_the_frames_of_each_clip_only(tmp_path: Path) -> None:
    video = source(moving_texture(tmp_path / "texture.mp4", percent_per_second=4, seconds=4))
    ((clip, _),) = measured_motion(video)
    middle = (clip.start_pts + clip.end_pts) // 2
    halves = [replace(clip, end_pts=middle, num_frames=1), replace(clip, start_pts=middle, num_frames=1)]
    for half, speed in zip(halves, reference_motion(video, halves), strict=True):
        assert [speed] == reference_motion(video, [half])
    alone = replace(clip, end_pts=clip.start_pts + 1, num_frames=1)
    assert reference_motion(video, [alone]) == [None]


def test_spearman_asks_for_order_alone() -> None:
    assert spearman([(1, 1), (2, 10), (3, 100)]) == pytest.approx(1)
    assert spearman([(1, 3), (2, 2), (3, 1)]) == pytest.approx(-1)
    assert spearman([(1, 1), (1, 1), (2, 5), (3, 4)]) == pytest.approx(7 / 9)


def test_a_folder_of_speeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for speed in (1, 3, 6):
        moving_texture(tmp_path / f"{speed}.mp4", percent_per_second=speed)
    text_file(tmp_path / "prose.mp4")
    main(os.fspath(tmp_path))
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"spearman": 1.0, "clips": 3}
