"""ClipMill from Python: the same tables as the command line's, and frames by time."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from filters.motion import MotionScorer
from filters.rules import Range
from pipelines import OpenManifest, curate_videos, open_manifest, score_video
from pipelines.recipe import recipes
from preprocess.io.tables import PartedTable
from preprocess.shots.detector import ShotConfig
from tests import videos

CONFIG = replace(
    recipes.default(),
    shots=ShotConfig(fades=False, wipes=False),  # a counter is none of them
    scorers=(MotionScorer(),),
    rules=(Range(column="duration_seconds", min=3.5),),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "films").mkdir()
    videos.counter_video(folder / "films" / "counted.mp4", num_frames=31, fps=Fraction(25))
    videos.shots_video(folder / "films" / "shots.mp4", seconds=(4, 5), openings=("cut",) * 2)
    curate_videos(folder / "films", folder / "out", recipe=CONFIG, engine="in-process")
    return folder


@pytest.fixture
def manifest(made: Path) -> OpenManifest:
    return open_manifest(made / "out")


def number(pixels: np.ndarray) -> int:
    return videos.read_counter(pixels[..., 1])


def test_only_columns_that_are_asked_for_are_read(manifest: OpenManifest, monkeypatch: pytest.MonkeyPatch) -> None:
    read, whole = [], PartedTable.read
    monkeypatch.setattr(PartedTable, "read", lambda self, *asked: read.append(asked[1]) or whole(self, *asked))
    manifest.clips("status == 'kept' and not motion < 0 and camera is not null", columns=["clip_id", "motion"])
    assert read == [["clip_id", "motion", "status", "camera"]]
    manifest.reasons()
    assert read[1:] == [["reasons"]]


def test_tables_are_those_on_disk(made: Path, manifest: OpenManifest) -> None:
    clips = pd.read_parquet(made / "out" / "clips")
    pd.testing.assert_frame_equal(manifest.clips(), clips)
    pd.testing.assert_frame_equal(manifest.sources(), pd.read_parquet(made / "out" / "sources"))
    kept = manifest.clips("status == 'kept' and motion > 0", columns=["clip_id"])
    assert kept["clip_id"].tolist() == clips[(clips["status"] == "kept") & (clips["motion"] > 0)]["clip_id"].tolist()
    assert manifest.clips(columns=["motion", "clip_id", "none", "motion"]).columns.tolist() == ["motion", "clip_id"]
    assert manifest.reasons().to_dict() == {"duration_seconds:below_3.5": 1}
    assert manifest.recipe == CONFIG
    assert manifest.preview(clips["clip_id"][0]).width > 0
    with pytest.raises(ValueError, match="notion"):
        manifest.clips("notion > 1")


@pytest.mark.parametrize("fps", [5, 50, 24000 / 1001, None])
def test_frames_are_picked_by_time(manifest: OpenManifest, fps: float | None) -> None:
    (clip,) = (row for _, row in manifest.clips().iterrows() if row["source_uri"].endswith("counted.mp4"))
    frames, rate = list(manifest.frames(clip, fps=fps)), fps or 25
    first, count = round(clip["start_seconds"] * 25), clip["num_frames"]
    shown = [first + int(index * 25 / rate + 0.125) for index in range(math.ceil(count * rate / 25))]  # 5 ms early
    assert [number(pixels) for _, pixels in frames] == shown
    assert [seconds for seconds, _ in frames] == pytest.approx([index / rate for index in range(len(frames))])
    assert frames[0][1].shape == (90, 160, 3)
    assert frames[0][1].dtype == np.uint8


def test_one_video_is_measured_by_one_filter(made: Path, manifest: OpenManifest) -> None:
    scores = score_video(made / "films" / "shots.mp4", "motion")
    expected = manifest.clips("clip_id in " + repr(scores["clip_id"].tolist()), columns=list(scores.columns))
    assert len(scores) == 2
    pd.testing.assert_frame_equal(scores, expected)
    with pytest.raises(ValueError, match="no filter 'notion'"):
        score_video(made / "films" / "shots.mp4", "notion")


def test_what_gives_no_clip_says_why(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not_a_video"):
        score_video(videos.text_file(tmp_path / "prose.mp4"), "motion")


def test_films_that_have_moved_are_found(made: Path, tmp_path: Path) -> None:
    out = shutil.copytree(made / "out", tmp_path / "out")
    shutil.copytree(made / "films", tmp_path / "films")
    moved = open_manifest(out, roots=[f"{made}/films={tmp_path}/films"])
    clip = moved.clips().iloc[0]
    (tmp_path / "films" / os.path.basename(clip["source_uri"])).rename(tmp_path / "film.mp4")
    with pytest.raises(Exception, match="not_found"):
        next(moved.frames(clip, fps=1))
    clip["source_uri"] = "https://host/film.mp4"
    with pytest.raises(ValueError, match="elsewhere than"):
        next(moved.frames(clip, fps=1))


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no manifest there"):
        open_manifest(tmp_path)
