"""One clip, one source, or all: what is known, which bounds it met, what lies in no clip; safe on a terminal."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from filters.brightness import BrightnessScorer
from filters.motion import MotionScorer
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.recipe import recipes
from preprocess.manifest import Manifest
from tests import videos

CONFIG = replace(
    recipes.default(),
    scorers=(MotionScorer(), BrightnessScorer()),
    rules=(Range(column="duration_seconds", min=3.0), Range(column="motion", min=0.1)),
)
HOSTILE = "film \x1b]0;owned\x07\u202e.mp4"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    films = folder / "films"
    (films / "sub").mkdir(parents=True)
    videos.shots_video(films / HOSTILE, seconds=(4, 5, 2), openings=("cut", "cut", "black"))
    videos.shots_video(films / "sub" / "film 2.mp4", seconds=(3.5,), openings=("cut",))
    shutil.copy2(films / "sub" / "film 2.mp4", films / "copy.mp4")
    videos.text_file(films / "text.mp4")
    (films / "copy.json").write_text(json.dumps({"license": "CC0 \x1b[31m"}))
    curate(os.fspath(films), os.fspath(folder / "out"), CONFIG, engine="in-process")
    return folder


@pytest.fixture
def clips(made: Path) -> pd.DataFrame:
    table = pd.read_parquet(made / "out" / "clips")
    return table[table["source_uri"].str.contains("owned")]


Show = Callable[..., tuple[int, str]]


@pytest.fixture
def show(made: Path, capsys: pytest.CaptureFixture[str]) -> Show:
    def shown(*arguments: str, out: str = f"{made}/out") -> tuple[int, str]:
        status = main(["show", out, *arguments])
        said = capsys.readouterr()
        assert (said.out + said.err).replace("\n", "").isprintable()
        return status, said.out + said.err

    return shown


def test_a_kept_clip_is_told_with_its_scores(show: Show, clips: pd.DataFrame) -> None:
    row = clips[clips["status"] == "kept"].iloc[0]
    lines = [" ".join(line.split()) for line in show(row["clip_id"])[1].splitlines()]
    assert lines[0] == f"clip {row['clip_id']}: kept"
    assert any(line.startswith("motion ") and line.endswith("in 0.1 to any") for line in lines)
    assert any(line.startswith(f"brightness {row['brightness']:.5g}") for line in lines)


def test_a_clip_is_told_with_its_bounds(show: Show, clips: pd.DataFrame) -> None:
    row = clips[clips["status"] == "rejected"].iloc[0]
    for name in (row["clip_id"], row["clip_id"][:12]):
        status, said = show(name)
        assert status == 0
        lines = [" ".join(line.split()) for line in said.splitlines()]
        assert lines[0] == f"clip {row['clip_id']}: rejected"
        assert "rejected: duration_seconds:below_3.0" in lines
        assert f"duration_seconds {row['duration_seconds']:.5g} s below 3.0 to any" in lines
        assert "brightness none" in lines  # nothing is measured of what is too short
        assert "film \\x1b]0;owned\\x07\\u202e.mp4" in said


def test_a_source_is_told_in_time_order_with_what_is_in_no_clip(show: Show, clips: pd.DataFrame) -> None:
    for name in (clips["source_id"].iloc[0], HOSTILE, "owned"):
        status, said = show(name)
        assert status == 0
        times = [line.strip() for line in said.splitlines() if " s (" in line and line.startswith("  ")]
        assert [line.split()[-1 if "kept" in line else -2] for line in times if "no clip" not in line] == list(
            clips["clip_id"]
        )
        assert times[1].startswith("3.96 to 4.04 s (0.08 s) in no clip: the margin around a cut")
        assert "in no clip: a fade, dissolve" in times[3]
    total = clips["duration_seconds"].sum()
    kept = clips[clips["status"] == "kept"]["duration_seconds"].sum()
    assert f"2 clips kept ({kept:.2f} s), 1 not" in said
    between = float(said.splitlines()[-1].split(" s ")[0])
    assert total + between == pytest.approx(11, abs=0.1)


def test_copies_and_failures_are_told(made: Path, show: Show) -> None:
    for name in ("copy.mp4", "film 2.mp4", f"{made}/films/sub/film 2.mp4"):
        status, said = show(name)
        assert status == 0
        assert f"  {made}/films/copy.mp4\n  also {made}/films/sub/film 2.mp4" in said
        assert "license CC0 \\x1b[31m" in said
    assert "source without an id: failed, not_a_video" in show("text.mp4")[1]


def test_what_may_be_several_is_asked_for(made: Path, show: Show) -> None:
    status, said = show("film")
    assert status == 1
    assert "may be one of several" in said
    assert "film 2.mp4" in said
    assert "owned" in said
    assert show("nothing like it") == (1, f"show: '{made}/out' has no clip and no source 'nothing like it'\n")
    status, said = show("\x1b[2J")
    assert status == 1
    assert "'\\x1b[2J'" in said


def test_without_a_name_all_is_summed_up(show: Show) -> None:
    status, said = show()
    assert status == 0
    assert "  motion from 0.1" in said
    assert "clips kept" in said
    assert show("--open")[0] == 1


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes down what it is asked to open."""
    asked = tmp_path / "asked"
    for name in ("xdg-open", "open"):
        (tmp_path / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "$#" "$1" > {asked}\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return asked


def test_a_film_is_opened_as_it_is_called(made: Path, show: Show, clips: pd.DataFrame, player: Path) -> None:
    assert show("owned", "--open")[0] == 0
    assert player.read_bytes() == f"1\n{made}/films/{HOSTILE}\n".encode()
    row = clips.iloc[1]
    assert f"the clip begins at {row['start_seconds']:.2f} s" in show(row["clip_id"], "--open")[1]


def test_a_clip_s_own_file_is_opened_where_it_is_there(
    made: Path, show: Show, clips: pd.DataFrame, player: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(made / "out", tmp_path / "out"))
    manifest, run = Manifest(os.fspath(out)), json.loads((out / "run.json").read_text())
    table = manifest.clips()
    assert table is not None
    ids = table["clip_id"].to_pylist()
    names = pa.array([f"{clip_id}.mp4" if place else "../sh.mp4" for place, clip_id in enumerate(ids)])
    manifest.rewrite_clips(
        lambda rows: rows.append_column("file", names.slice(0, rows.num_rows)),
        run | {"cut": {"dest": f"{tmp_path}/cut"}},
    )
    (tmp_path / "cut").mkdir()
    (tmp_path / "sh.mp4").touch()
    for clip_id in ids:
        (tmp_path / "cut" / f"{clip_id}.mp4").touch()
        assert show(clip_id, "--open", out=os.fspath(out))[0] == 0
        opened = player.read_text().splitlines()[1]
        assert (opened == f"{tmp_path}/cut/{clip_id}.mp4") == (clip_id != ids[0])
        assert "sh.mp4" not in opened


def test_what_cannot_be_played_is_said(
    made: Path, show: Show, player: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"--root={made}/films={tmp_path}/moved"
    assert "is not a file on this disk; --root A=B says" in show("owned", "--open", root)[1]
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / HOSTILE).touch()
    assert show("owned", "--open", root)[0] == 0
    assert player.read_text().splitlines()[1] == f"{tmp_path}/moved/{HOSTILE}"
    for name in ("xdg-open", "open"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 3\n")
    assert "found no player (exit status 3)" in show("owned", "--open", root)[1]
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "moved"))
    assert "that would find a player; the file is" in show("owned", "--open", root)[1]


def test_what_a_desktop_may_run_is_not_opened(made: Path, show: Show, player: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(made / "out", tmp_path / "out"))
    (tmp_path / "run.desktop").touch()
    manifest = Manifest(os.fspath(out))
    table = manifest.sources()
    assert table is not None
    manifest.replace_sources([row | {"uri": f"{tmp_path}/run.desktop"} for row in table.to_pylist()[:1]], {})
    status, said = show("run.desktop", "--open", out=os.fspath(out))
    assert status == 1
    assert "its name is not that of a film" in said
    assert not player.exists()


def test_a_table_of_a_stranger_is_shown_or_refused(made: Path, show: Show, clips: pd.DataFrame, tmp_path: Path) -> None:
    out = Path(shutil.copytree(made / "out", tmp_path / "out"))
    manifest = Manifest(os.fspath(out))
    table = manifest.clips()
    assert table is not None
    clip_id = table["clip_id"][0].as_py()
    nulls = table
    for name in table.column_names[3:]:
        place = table.schema.get_field_index(name)
        nulls = nulls.set_column(
            place, table.schema.field(place), pa.nulls(table.num_rows, table.schema.field(place).type)
        )
    manifest.replace_clips(nulls, {})
    assert show(clip_id, out=os.fspath(out))[0] == 0
    assert show(table["source_id"][0].as_py(), out=os.fspath(out))[0] == 0
    for strange in (table.drop_columns(["reasons"]), table.rename_columns({"fps": "x"}), table.select(["clip_id"])):
        manifest.replace_clips(strange, {})
        status, said = show(clip_id, out=os.fspath(out))
        assert status == 1
        assert "validate OUT` says more" in said
