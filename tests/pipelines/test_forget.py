"""A takedown: nothing in OUT speaks of the film any more, whatever kills it, and no run brings it back by itself."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.kills.placed import ANYWHERE, Steps
from filters.brightness import BrightnessScorer
from filters.motion import MotionScorer
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.clips.faults import Faults
from pipelines.curate import curate
from pipelines.decide import decide, undo
from pipelines.forget import forget, take_back
from pipelines.recipe import recipes
from pipelines.validation.run import validate
from preprocess.io import storage
from preprocess.io.tables import write_table
from preprocess.manifest import Manifest
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server
from tests.victims import ended

CONFIG = replace(
    recipes.default(),
    scorers=(MotionScorer(), BrightnessScorer()),
    rules=(Range(column="duration_seconds", min=3.0), Range(column="motion", min=0.1)),
)
NAME = "sub/se\x1b[2Jcret.mp4"
TOLD = "nobody shall read this"
STAYS = "this is of another film"


def curated(films: Path, out: Path) -> None:
    curate(os.fspath(films), os.fspath(out), CONFIG, engine="in-process")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    (folder / "sub").mkdir()
    videos.shots_video(folder / NAME, seconds=(4, 5, 2), openings=("cut",) * 3)
    (folder / f"{NAME[:-4]}.json").write_text(json.dumps({"title": TOLD, "license": TOLD}))
    shutil.copy2(folder / NAME, folder / "z copy.mp4")
    videos.shots_video(folder / "other.mp4", seconds=(3.5, 3), openings=("cut",) * 2)
    videos.text_file(folder / "text.mp4")
    return folder


@pytest.fixture(scope="module")
def begun(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest with all that may lie about in it."""
    out = tmp_path_factory.mktemp("begun") / "out"
    curated(films, out)
    decide(os.fspath(out), recipe=None, assignments=["rules.motion.min=p100"])
    rows = clips(out)
    secret = rows[rows["source_uri"].str.endswith(NAME)]["clip_id"].tolist()
    other = rows[~rows["source_uri"].str.endswith(NAME)]["clip_id"].tolist()
    faults = Faults(out=os.fspath(out))
    faults.keep(secret[0], "a clip", TOLD)
    faults.keep("another", f"a unit with {films / NAME}", TOLD)
    faults.keep("other", "another film", STAYS)
    for folder in ("columns/answers-1", "columns/motion-2", "files/.cut"):
        for name, ids in (("both", [secret[0], other[0]]), ("one", secret), ("other", other)):
            table = pa.table({"clip_id": ids, "said": [TOLD if each in secret else STAYS for each in ids]})
            write_table(f"{out}/{folder}/{name}.parquet", table)
    for clip_id in (secret[0], other[0]):
        (out / "files" / f"{clip_id}.mp4").write_text(TOLD if clip_id == secret[0] else STAYS)
    return out


@pytest.fixture
def out(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "out"))


@pytest.fixture(scope="module")
def source_id(begun: Path) -> str:
    rows = clips(begun)
    return str(rows[rows["source_uri"].str.endswith(NAME)]["source_id"].iloc[0])


def clips(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "clips")


def contents(out: Path) -> Iterator[tuple[str, str]]:
    """Path, and all that can be read in the file."""
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name != ".lock":
            name = path.relative_to(out).as_posix()
            if path.suffix == ".parquet":
                file = pq.ParquetFile(path)
                yield name, f"{file.schema_arrow.to_string(show_schema_metadata=True)}{file.read().to_pylist()}"
            else:
                yield name, path.read_bytes().decode("utf-8", "backslashreplace")


def assert_gone(out: Path, begun: Path, source_id: str) -> None:
    rows = clips(begun)
    words = [*rows[rows["source_id"] == source_id]["clip_id"], TOLD, "cret.mp4", "z copy.mp4"]
    for name, text in contents(out):
        assert not [word for word in words if word in text], name
        assert source_id not in text or name == "run.json"
    assert not list(out.rglob("*.tmp"))
    assert (out / "report.html").exists()
    assert len(list((out / "errors").iterdir())) == 1
    assert sum(STAYS in text for _, text in contents(out)) == 8
    assert validate(os.fspath(out)).status == 0


def assert_same(out: Path, other: Path) -> None:
    for name in ("clips", "sources"):
        pd.testing.assert_frame_equal(pd.read_parquet(out / name), pd.read_parquet(other / name))


def test_nothing_of_it_is_left_and_all_else_is(films: Path, out: Path, begun: Path, source_id: str) -> None:
    told: list[str] = []
    said = forget(os.fspath(out), f"{films}/{NAME}", say=told.append)
    assert f"forgotten: {source_id} under 2 names, with 3 clips" in said
    assert not told
    assert_gone(out, begun, source_id)
    before, after = clips(begun), clips(out)
    expected = before[before["source_id"] != source_id].reset_index(drop=True)
    pd.testing.assert_frame_equal(after, expected)
    [entry] = json.loads((out / "run.json").read_text())["forgotten"]
    assert entry["source_id"] == source_id
    assert "it is forgotten already, since 20" in forget(os.fspath(out), source_id)
    assert "it is forgotten already, since 20" in forget(os.fspath(out), f"{films}/z copy.mp4")
    assert "decided anew" in undo(os.fspath(out))  # of bounds, and of nothing else
    assert_gone(out, begun, source_id)


def test_curate_brings_it_back_only_once_it_is_told_to(
    films: Path, out: Path, source_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    undo(os.fspath(out))
    first = pd.read_parquet(out / "sources")
    forget(os.fspath(out), source_id)
    again = Path(shutil.copytree(films, tmp_path / "again"))
    curated(films, out)
    assert source_id not in set(pd.read_parquet(out / "sources")["source_id"])
    (again / NAME).rename(again / "renamed.mp4")
    curated(again, out)
    sources = pd.read_parquet(out / "sources").set_index("uri")
    for name in ("renamed.mp4", "z copy.mp4"):  # elsewhere, so that only their bytes tell what they are
        row = sources.loc[f"{again}/{name}"]
        assert (row["status"], row["reason"], row["num_clips"]) == ("failed", "forgotten", 0)
        assert pd.isna(row["source_id"])
        assert pd.isna(row["title"])
    assert source_id not in set(clips(out)["source_id"])
    assert not any(TOLD in text for name, text in contents(out))
    assert main(["forget", os.fspath(out), "nothing", "--take-back"]) == 1
    assert source_id in capsys.readouterr().err
    assert main(["forget", os.fspath(out), source_id, "--take-back"]) == 0
    curated(films, out)
    got = pd.read_parquet(out / "sources")
    rows = [table[table["source_id"] == source_id].reset_index(drop=True) for table in (got, first)]
    pd.testing.assert_frame_equal(*rows)
    assert (clips(out)["source_id"] == source_id).sum() == 3
    assert validate(os.fspath(out)).status == 0


def test_spans_that_are_still_in_parts_go_too(films: Path, tmp_path: Path, source_id: str) -> None:
    """A `curate` that was stopped has found some of it."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy2(films / "other.mp4", few)
    curated(few, out)
    kept: dict[str, Any] = {}
    real = Manifest.write_part

    def remembered(manifest: Manifest, name: str, part: pa.Table) -> None:
        kept[name] = part
        real(manifest, name, part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Manifest, "write_part", remembered)
        curated(films, whole)
    for name, part in kept.items():
        Manifest(os.fspath(out)).write_part(name, part)
    assert any(TOLD in text for _, text in contents(out))
    forget(os.fspath(out), source_id)
    assert not [name for name, text in contents(out) if TOLD in text or f"{films}/{NAME}" in text]
    curated(films, out)
    assert source_id not in set(clips(out)["source_id"])
    assert len(clips(out)) == 2


def test_a_kill_at_any_step_and_the_same_command_leave_what_nobody_disturbed(
    begun: Path, tmp_path: Path, source_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipelines.forget.offer_report", lambda manifest: (Path(manifest.location) / "report.html").touch()
    )
    undisturbed = Path(shutil.copytree(begun, tmp_path / "undisturbed"))
    forget(os.fspath(undisturbed), source_id)
    for step in itertools.count(1, 9):
        out = Path(shutil.copytree(begun, tmp_path / str(step)))
        code = ended(lambda out=out: forget(os.fspath(out), source_id, say=str), Steps(step, ANYWHERE).watch)
        forget(os.fspath(out), source_id)
        assert_gone(out, begun, source_id)
        assert_same(out, undisturbed)
        assert [name for name, _ in contents(out) if "clips/" not in name] == [
            name for name, _ in contents(undisturbed) if "clips/" not in name
        ]
        if code == 0:
            break
    assert step > 30


def test_files_in_another_folder_are_named_before_anything_goes(
    out: Path, source_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, run = Manifest(os.fspath(out)), json.loads((out / "run.json").read_text())
    table = manifest.clips()
    assert table is not None
    names = pa.array([f"{clip_id}.mp4" for clip_id in table["clip_id"].to_pylist()])
    manifest.rewrite_clips(
        lambda rows: rows.append_column("file", names.slice(0, rows.num_rows)),
        run | {"cut": {"dest": "/else\x07where"}},
    )
    assert main(["forget", os.fspath(out), source_id]) == 0
    said = capsys.readouterr().out
    ids = table.filter(pa.compute.equal(table["source_id"], source_id))["clip_id"].to_pylist()
    for clip_id in ids:
        assert f"still there, and yours to remove: /else\\x07where/{clip_id}.mp4\n" in said
    assert said.count("still there") == 3


def test_what_is_not_named_in_full_is_not_forgotten(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(contents(out))
    for name in ("copy", "z copy.mp4", "sub"):
        assert main(["forget", os.fspath(out), name]) == 1
    assert "z copy.mp4" in capsys.readouterr().err
    assert dict(contents(out)) == before


def test_a_file_without_an_id_is_known_by_its_name(films: Path, out: Path) -> None:
    place = f"{films}/text.mp4"
    (out / "errors" / "one.txt").write_text(f"of {place}")
    forget(os.fspath(out), place)
    curated(films, out)
    curated(Path(place), out)  # where there is nothing else
    assert place not in set(pd.read_parquet(out / "sources")["uri"])
    take_back(os.fspath(out), place)
    curated(films, out)
    assert place in set(pd.read_parquet(out / "sources")["uri"])


def test_in_a_bucket_too(begun: Path, source_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_server() as address:
        use_server(monkeypatch, address)
        bucket, back = make_bucket("taken-down"), tmp_path / "back"
        for path in begun.rglob("*"):
            if path.is_file():
                storage.write_atomic(f"{bucket}/out/{path.relative_to(begun)}", path.read_bytes())
        forget(f"{bucket}/out", source_id)
        for place in [*storage.files_below(f"{bucket}/out", ""), *storage.files_below(f"{bucket}/out/files/.cut", "")]:
            file = back / place.removeprefix(f"{bucket}/out/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(storage.read_bytes(place) or b"")
        assert_gone(back, begun, source_id)
