"""What is wrong with a manifest is said; what is right, and whatever a curate leaves, is not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from filters.brightness import BrightnessScorer
from filters.motion import MotionScorer
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.recipe import recipes
from pipelines.validation.run import validate
from preprocess.io import storage
from preprocess.io.tables import read_table, write_table
from preprocess.manifest import Manifest, fingerprint_of
from preprocess.schema import FINGERPRINT
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server

CONFIG = replace(
    recipes.default(),
    scorers=(MotionScorer(), BrightnessScorer()),
    rules=(Range(column="duration_seconds", min=3.0), Range(column="motion", min=0.1)),
    pictures=True,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of several clips, a copy, a late start, a picture, and what is no video."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "films").mkdir()
    videos.shots_video(folder / "films" / "a\x1b[2J.mp4", seconds=(4, 5, 2), openings=("cut",) * 3)
    videos.shots_video(folder / "films" / "b.mp4", seconds=(3.5, 3), openings=("cut",) * 2)
    videos.late_start(folder / "films" / "late.mp4")
    videos.picture_file(folder / "films" / "picture.png")
    videos.text_file(folder / "films" / "text.mp4")
    shutil.copy(folder / "films" / "b.mp4", folder / "films" / "copy.mp4")
    curate(os.fspath(folder / "films"), os.fspath(folder / "out"), CONFIG, engine="in-process")
    return folder


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "out", tmp_path / "out"))


def test_what_curate_and_decide_leave_is_right(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main(["validate", os.fspath(out), "--bytes"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert main(["decide", os.fspath(out), "--set", "rules.motion.min=p50"]) == 0
    assert validate(os.fspath(out)).status == 0


def with_column(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[pa.Table], pa.Table]:
    def changed(clips: pa.Table) -> pa.Table:
        place = clips.schema.get_field_index(name)
        field = clips.schema.field(place)
        return clips.set_column(place, field, pa.array(change(clips[name].to_pylist()), field.type))

    return changed


def first(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [value, *values[1:]]


WRONG: list[tuple[Callable[[pa.Table], pa.Table], str]] = [
    (with_column("clip_id", first("0" * 32)), "1 clips whose id is not that of their source and span: 0000"),
    (with_column("clip_id", lambda ids: [ids[1], *ids[1:]]), "1 clips that are there twice"),
    (with_column("clip_id", first(None)), "1 clips without clip_id"),
    (with_column("start_seconds", lambda all_: [x + 0.01 for x in all_]), "clips whose start_seconds is not that of"),
    (with_column("duration_seconds", first(99.0)), "1 clips whose duration_seconds is not the length"),
    (with_column("num_frames", first(0)), "1 clips without frames or pixels"),
    (with_column("short_side", first(7)), "1 clips whose short_side is not the smaller one"),
    (with_column("end_pts", first(-1)), "clips whose span is empty"),
    (with_column("source_uri", first("/else.mp4")), "1 clips whose source_uri is not that of their source"),
    (with_column("source_id", first("none")), "1 clips of a source that sources/ does not have"),
    (with_column("status", first("lost")), "1 clips whose status is neither kept nor rejected"),
    (with_column("status", lambda all_: ["kept"] * len(all_)), "status and reasons contradict each other"),
    (with_column("reasons", first(["motion:below_7.0"])), "1 clips whose reasons are not those of the rules"),
    (with_column("motion", lambda all_: [0.0] * len(all_)), "clips whose reasons are not those of the rules"),
    (lambda clips: clips.take([1, 0, *range(2, clips.num_rows)]), "clips that begin before the one before them"),
    (lambda clips: clips.take([*range(1, clips.num_rows), 0]), "sources whose clips do not lie together"),
    (lambda clips: clips.slice(1), "1 files whose num_clips is not the number of their clips: "),
    (lambda clips: clips.drop_columns(["motion"]), "1 columns that clips/ lacks: motion"),
    (lambda clips: clips.drop_columns(["start_pts"]), "1 columns that clips/ lacks: start_pts"),
    (
        lambda clips: clips.set_column(
            clips.schema.get_field_index("motion"), "motion", pc.cast(clips["motion"], "string")
        ),
        "1 columns of clips/ of another type: motion is string and not double",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=[sentence[:40] for _, sentence in WRONG])
@pytest.mark.parametrize("group_rows", [1, 1000])
def test_what_is_wrong_with_clips_is_said(
    out: Path,
    change: Callable[[pa.Table], pa.Table],
    sentence: str,
    group_rows: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where a row group ends between two rows that do not go together."""
    monkeypatch.setattr("preprocess.io.tables.GROUP_ROWS", group_rows)
    manifest = Manifest(os.fspath(out))
    clips = manifest.clips()
    assert clips is not None
    manifest.replace_clips(change(clips), {FINGERPRINT: str(fingerprint_of(clips.schema))})
    assert main(["validate", os.fspath(out)]) == 1
    said = capsys.readouterr().out
    assert sentence in said
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: [*rows, rows[0]], "1 files that are listed twice: "),
        (lambda rows: [row | {"uri": f"{row['uri']}x"} for row in rows[:1]] + rows, "1 contents that two files own"),
        (lambda rows: [rows[0] | {"status": "fine"}, *rows[1:]], "1 files with a status that there is not"),
        (lambda rows: [row | {"reason": None} for row in rows], "files that failed and do not say why"),
        (lambda rows: [row for row in rows if "b.mp4" not in row["uri"]], "1 copies of a file that is not there"),
        (
            lambda rows: [row | {"duration_seconds": 1.0} for row in rows],
            "clips reach over a longer time than they have",
        ),
    ],
)
def test_what_is_wrong_with_sources_is_said(
    out: Path, change: Callable[[list[Any]], list[Any]], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = Manifest(os.fspath(out))
    table = manifest.sources()
    assert table is not None
    manifest.replace_sources(change(table.to_pylist()), {})
    assert main(["validate", os.fspath(out)]) == 1
    assert sentence in capsys.readouterr().out


def test_files_are_looked_for_where_asked(
    made: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Path(shutil.copytree(made / "films", tmp_path / "here"))
    root = ["--root", f"{made}/films={here}"]
    assert main(["validate", os.fspath(out), "--bytes", *root]) == 0
    data = bytearray((here / "b.mp4").read_bytes())
    data[-1] ^= 1
    (here / "b.mp4").write_bytes(data)
    assert main(["validate", os.fspath(out), "--files", *root]) == 0
    capsys.readouterr()
    assert main(["validate", os.fspath(out), "--bytes", *root]) == 1
    assert f"1 files whose bytes are others than they were: {here}/b.mp4" in capsys.readouterr().out
    (here / "b.mp4").write_bytes(data + b"more")
    assert main(["validate", os.fspath(out), "--files", *root]) == 1
    assert "1 files that have another size" in capsys.readouterr().out
    (here / "b.mp4").unlink()
    (here / "copy.mp4").unlink()
    assert main(["validate", os.fspath(out), "--files", *root]) == 3
    assert f"2 files that are not there: {here}/b.mp4, {here}/copy.mp4" in capsys.readouterr().out


def test_missing_previews_and_spoilt_tables_are_said(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [file] = (out / "previews").iterdir()
    previews = read_table(os.fspath(file))
    assert previews is not None
    write_table(os.fspath(file), previews.slice(0, 0))
    assert main(["validate", os.fspath(out)]) == 1
    assert "kept clips without a preview" in capsys.readouterr().out
    run = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(run | {"fingerprint": "another"}))
    assert main(["validate", os.fspath(out)]) == 1
    assert "decided by another recipe than that of run.json: clips" in capsys.readouterr().out
    (out / "run.json").unlink()
    shutil.rmtree(out / "sources")
    assert main(["validate", os.fspath(out)]) == 1
    said = capsys.readouterr().out
    assert "1 tables that are not there: sources" in said
    assert "decisions are not checked: there is no run.json" in said
    assert main(["validate", os.fspath(out / "previews")]) == 1
    assert "no manifest there" in capsys.readouterr().err


def test_in_a_bucket_too(out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """So does `show`, and `diff` of a bucket and a folder."""
    with moto_server() as address:
        use_server(monkeypatch, address)
        bucket = make_bucket("whole")
        for path in out.rglob("*"):
            if path.is_file():
                storage.write_atomic(f"{bucket}/out/{path.relative_to(out)}", path.read_bytes())
        assert validate(f"{bucket}/out").status == 0
        assert main(["show", f"{bucket}/out", "b.mp4"]) == 0
        assert "1 clips kept" in capsys.readouterr().out
        assert main(["diff", f"{bucket}/out", os.fspath(out)]) == 0
        assert " clips are the same in both" in capsys.readouterr().out
