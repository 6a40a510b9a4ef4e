"""Kept clips become files, each once and whole, whatever kills the run, and the table of clips knows them."""

from __future__ import annotations

import itertools
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from benchmarks.kills.placed import Steps
from filters.brightness import BrightnessScorer
from filters.letterbox import LetterboxScorer
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.cut import Work, cut_rows, run_cut
from pipelines.decide import decide
from pipelines.filter import run_filter
from pipelines.recipe import recipes
from preprocess.clip import Clip
from preprocess.cutting.format import CutFormat
from preprocess.cutting.result import FILE_COLUMNS
from preprocess.decode import Video
from preprocess.io import storage
from preprocess.manifest import Manifest
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server
from tests.preprocess.cutting.cuts import frames_of
from tests.victims import ended

CONFIG = replace(
    recipes.default(),
    scorers=(BrightnessScorer(), LetterboxScorer()),
    rules=(Range(column="duration_seconds", min=3.0),),
)
LOSSLESS = CutFormat(fps=8, short_side=48, codec="ffv1")
"""Equal frames make equal bytes; x264's files differ by a few bits now and then."""
HERE = Work(engine="in-process")
NAMES = ("a.mp4", "$(touch pwned) `id`\n\u202e4pm'\"%41&.mp4", "not\udcffutf8.mp4")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five clips that are long enough, and one that is not."""
    folder = tmp_path_factory.mktemp("films")
    for number, name in enumerate(NAMES):
        seconds = ((4.0, 3.5), (3.2, 2.0), (5.0, 3.1))[number]
        path = folder / f"film {number}.mp4"
        videos.shots_video(path, seconds=seconds, openings=("cut", "cut"), percent_per_second=60 + number)
        path.rename(folder / name)
    return folder


@pytest.fixture(scope="module")
def made(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    curate(os.fspath(films), os.fspath(out), CONFIG, engine="in-process")
    return out


@pytest.fixture
def manifest(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


def clips_of(manifest: Path) -> pd.DataFrame:
    return pd.read_parquet(manifest / "clips").set_index("clip_id")


def kept(manifest: Path) -> list[str]:
    clips = clips_of(manifest)
    return sorted(clips.index[clips["status"] == "kept"])


def files_in(folder: Path) -> dict[str, bytes]:
    """All that a trainer sees."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def thumbnails(frames: Iterator[av.VideoFrame]) -> np.ndarray:
    return np.array(
        [cv2.resize(each.to_ndarray(format="gray"), (32, 18), interpolation=cv2.INTER_AREA) for each in frames], float
    )


def test_each_kept_clip_is_a_file_of_its_very_frames(manifest: Path) -> None:
    run_cut(os.fspath(manifest), work=HERE)
    clips = clips_of(manifest)
    assert {f"{clip_id}.mp4" for clip_id in kept(manifest)} == set(files_in(manifest / "files"))
    assert clips.loc[clips["status"] == "rejected", "file"].isna().all()
    for row in Manifest(os.fspath(manifest)).clips().to_pylist():  # type: ignore[union-attr]
        if row["status"] != "kept":
            continue
        path, clip = manifest / "files" / row["file"], Clip.of(row)
        with Video(clip.source) as video:
            source = thumbnails(frame.raw for frame in frames_of(video, clip))
        with av.open(os.fspath(path)) as container:
            cut = thumbnails(container.decode(video=0))
        nearest = [int(np.abs(source - each).mean(axis=(1, 2)).argmin()) for each in cut]
        assert nearest == list(range(row["num_frames"])) == list(range(row["file_num_frames"]))
        assert (row["file_width"], row["file_height"], row["file_has_audio"]) == (160, 90, False)
        assert row["file_duration_seconds"] == pytest.approx(row["duration_seconds"])
        assert row["file_size_bytes"] == path.stat().st_size
    assert not list(manifest.glob("attempts/*"))


def test_what_is_there_is_not_made_again(manifest: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_cut(os.fspath(manifest), form=LOSSLESS, work=HERE)
    folder, before = manifest / "files", clips_of(manifest)
    times = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mkv")}
    lost = min(times)
    (folder / lost).unlink()
    (folder / ".x.mkv.0123abcd.tmp").write_bytes(b"of a dead worker")
    with caplog.at_level(logging.INFO, "clipmill"):
        run_cut(os.fspath(manifest), form=LOSSLESS, work=HERE)
    assert [record.message for record in caplog.records if "groups" in record.message] == ["1/1 groups of clips"]
    again = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mkv")}
    assert {name for name in times if again[name] != times[name]} == {lost}
    assert not list(folder.glob(".*.tmp"))
    pd.testing.assert_frame_equal(clips_of(manifest), before)


def test_a_format_and_a_condition_on_the_command_line(manifest: Path, tmp_path: Path) -> None:
    arguments = ["cut", os.fspath(manifest), os.fspath(tmp_path / "dest"), "--fps", "16", "--frame-step", "4"]
    arguments += ["--short-side", "48", "--side-multiple", "16", "--where", "duration_seconds > 3.5"]
    assert main([*arguments, "--engine", "in-process"]) == 0
    clips = clips_of(manifest)
    chosen = clips[(clips["status"] == "kept") & (clips["duration_seconds"] > 3.5)]
    assert 0 < len(chosen) < len(kept(manifest))
    assert set(files_in(tmp_path / "dest")) == set(chosen["file"])
    assert clips["file"].notna().sum() == len(chosen)
    assert set(chosen["file_fps"]) == {16.0}
    assert set(zip(chosen["file_width"], chosen["file_height"], strict=True)) == {(80, 48)}
    assert ((chosen["file_num_frames"] - 1) % 4 == 0).all()
    assert json.loads((manifest / "run.json").read_text())["cut"]["dest"] == os.fspath(tmp_path / "dest")


def test_files_of_another_format_are_not_mixed_in(manifest: Path) -> None:
    run_cut(os.fspath(manifest), form=CutFormat(fps=16), where="duration_seconds > 4", work=HERE)
    before = files_in(manifest / "files")
    with pytest.raises(ValueError, match="are of another format; name another DEST\n  fps: 16 -> 24"):
        run_cut(os.fspath(manifest), form=CutFormat(fps=24), work=HERE)
    assert files_in(manifest / "files") == before
    run_cut(os.fspath(manifest), form=CutFormat(fps=16), work=HERE)  # the others join
    assert len(files_in(manifest / "files")) == len(kept(manifest)) > len(before)
    with pytest.raises(ValueError, match="is the manifest"):
        run_cut(os.fspath(manifest), os.fspath(manifest), work=HERE)


def test_wishes_that_cannot_be_met_are_refused(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, said in (
        (["--where", "brightnes > 3"], "did you mean brightness"),
        (["--fps", "0"], "fps is 0.0, must be above 0"),
        (["--codec", "divx"], "allowed are h264"),
    ):
        assert main(["cut", os.fspath(manifest), *wrong, "--engine", "in-process"]) == 1
        assert said in capsys.readouterr().err
    assert main(["cut", os.fspath(tmp_path / "nothing")]) == 1
    assert not (manifest / "files").exists()


def test_other_commands_keep_what_the_table_knows_of_files(manifest: Path) -> None:
    run_cut(os.fspath(manifest), work=HERE)
    before = clips_of(manifest)
    columns = [column.name for column in FILE_COLUMNS]
    run_filter("contrast", os.fspath(manifest), engine="in-process")
    decide(os.fspath(manifest), recipe=None, assignments=["rules.duration_seconds.min=3.3"])
    pd.testing.assert_frame_equal(clips_of(manifest)[columns], before[columns])
    assert "cut" in json.loads((manifest / "run.json").read_text())
    run_cut(os.fspath(manifest), work=HERE)
    assert clips_of(manifest)["file"].notna().sum() == len(before[before["file"].notna()])


def test_a_source_that_is_gone_or_another_leaves_null_and_a_word(
    films: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, out = Path(shutil.copytree(films, tmp_path / "films")), tmp_path / "out"
    curate(os.fspath(folder), os.fspath(out), CONFIG, engine="in-process")
    (folder / "a.mp4").unlink()
    shutil.copy2(folder / NAMES[2], folder / NAMES[1])
    with caplog.at_level(logging.WARNING, "clipmill"):
        finished = run_cut(os.fspath(out), work=HERE)
    assert finished.outcomes.status == 3
    clips = clips_of(out)
    there = clips["source_uri"].str.startswith("file://") & (clips["status"] == "kept")
    assert clips["file"].notna().tolist() == there.tolist()
    assert sum("not_found" in record.message for record in caplog.records) == 2
    assert sum("changed" in record.message for record in caplog.records) == 1
    shutil.copy2(films / "a.mp4", folder / "a.mp4")
    shutil.copy2(films / NAMES[1], folder / NAMES[1])
    assert run_cut(os.fspath(out), work=HERE).outcomes.status == 0
    assert clips_of(out)["file"].notna().sum() == len(kept(out))


def test_rows_are_cut_for_others_and_the_table_stays(manifest: Path, tmp_path: Path) -> None:
    rows = [row for row in Manifest(os.fspath(manifest)).clips().to_pylist() if row["status"] == "kept"]  # type: ignore[union-attr]
    before = clips_of(manifest)
    form = CutFormat(fps=8, min_frames=28)
    files, _ = cut_rows(os.fspath(manifest), rows, form, os.fspath(tmp_path / "dest"), work=HERE)
    long_enough = {row["clip_id"] for row in rows if form.frames_of(Clip.of(row)) is not None}
    assert 0 < len(long_enough) < len(rows)
    assert files.keys() == long_enough
    assert {file.name for file in files.values()} == set(files_in(tmp_path / "dest"))
    pd.testing.assert_frame_equal(clips_of(manifest), before)


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.attack)])
def test_a_kill_at_any_step_leaves_no_file_torn_missing_or_double(made: Path, tmp_path: Path, stride: int) -> None:
    form = LOSSLESS
    undisturbed = Path(shutil.copytree(made, tmp_path / "undisturbed"))
    run_cut(os.fspath(undisturbed), form=form, work=HERE)
    whole = files_in(undisturbed / "files")
    for step in itertools.count(2, stride):
        out = Path(shutil.copytree(made, tmp_path / str(step)))
        code = ended(
            lambda out=out: run_cut(os.fspath(out), form=form, work=HERE),  # type: ignore[misc]
            Steps(step, "anything").watch,
        )
        assert files_in(out / "files").items() <= whole.items() if (out / "files").exists() else True
        run_cut(os.fspath(out), form=form, work=HERE)
        assert files_in(out / "files") == whole
        pd.testing.assert_frame_equal(clips_of(out), clips_of(undisturbed))
        assert not [path for path in out.rglob("*") if ".tmp" in path.name or "next" in path.name]
        if code == 0:
            break
        shutil.rmtree(out)
    assert step > 30


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=[pytest.mark.attack, pytest.mark.cluster])])
def test_all_engines_write_the_same(manifest: Path, tmp_path: Path, engine: str) -> None:
    form = LOSSLESS
    written = []
    for each in ("in-process", engine):
        dest = tmp_path / each
        run_cut(os.fspath(manifest), os.fspath(dest), form, work=Work(engine=each, workers=2))
        written.append((files_in(dest), clips_of(manifest)))
    (files, clips), (others, their_clips) = written
    assert others == files
    pd.testing.assert_frame_equal(their_clips, clips)


def test_source_manifest_and_files_in_buckets(made: Path, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = LOSSLESS
    with moto_server() as server:
        use_server(monkeypatch, server)
        source, out, dest = (make_bucket(name) for name in ("films", "out", "dest"))
        storage.write_atomic(f"{source}/a b%41#?.mp4", (films / NAMES[2]).read_bytes())
        curate(source, f"{out}/x", CONFIG, engine="in-process")
        for _ in range(2):
            run_cut(f"{out}/x", f"{dest}/y z", form, work=HERE)
        clips = Manifest(f"{out}/x").clips()
        assert clips is not None
        names = storage.list_files(f"{dest}/y z", ".mkv")
        assert names == sorted(clips["file"].to_pylist())
        assert len(names) == 2
        local = made.parent / "local"
        run_cut(os.fspath(made), os.fspath(local), form, where=f"clip_id in {clips['clip_id'].to_pylist()}", work=HERE)
        for name in names:
            assert storage.read_bytes(f"{dest}/y z/{name}") == (local / name).read_bytes()
