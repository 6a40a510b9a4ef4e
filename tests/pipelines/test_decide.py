"""Bounds that are tried, moved, listed and taken back, and that new videos follow."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmarks.kills.placed import ANYWHERE, Steps
from filters.brightness import BrightnessScorer
from filters.motion import MotionScorer
from filters.rules import Range
from pipelines import history
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.decide import decide, undo
from pipelines.dry_run import dry_run
from pipelines.filter import run_filter
from pipelines.percentiles import percentile
from pipelines.recipe import recipes
from preprocess.io import storage
from preprocess.io.settings import override
from preprocess.manifest import Manifest
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server
from tests.victims import ended

CONFIG = replace(
    recipes.default(),
    scorers=(MotionScorer(), BrightnessScorer()),
    rules=(Range(column="duration_seconds", min=3.0), Range(column="motion", min=0.1)),
)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for name, lengths in (("a", (4, 5, 2)), ("b", (3.5, 3)), ("new", (4, 3.2))):
        videos.shots_video(folder / f"{name}.mp4", seconds=lengths, openings=("cut",) * len(lengths))
    return folder


@pytest.fixture(scope="module")
def begun(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of two of the films."""
    out = tmp_path_factory.mktemp("begun") / "out"
    few = tmp_path_factory.mktemp("few")
    for name in ("a.mp4", "b.mp4"):
        shutil.copy2(films / name, few)
    curate(os.fspath(few), os.fspath(out), CONFIG, engine="in-process")
    return out


@pytest.fixture
def out(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "out"))


def moved(out: Path, *assignments: str) -> None:
    decide(os.fspath(out), recipe=None, assignments=list(assignments))


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "clips").iterdir()}


def clips(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "clips")


def middle(out: Path) -> float:
    return float(clips(out)["motion"].quantile(0.5, interpolation="lower"))


def test_what_was_decided_is_taken_back_step_by_step_to_the_byte(out: Path) -> None:
    states = [files(out)]
    rules = [json.loads((out / "run.json").read_text())["recipe"]]
    for bound in ("rules.motion.min=p50", "rules.brightness.max=1", "rules.brightness.max=none"):
        moved(out, bound)
        states.append(files(out))
        rules.append(json.loads((out / "run.json").read_text())["recipe"])
    assert states[0] != states[1] != states[2] != states[3]
    for state, recipe in zip(states[-2::-1], rules[-2::-1], strict=True):
        assert "byte for byte" in undo(os.fspath(out))
        assert files(out) == state
        assert json.loads((out / "run.json").read_text())["recipe"] == recipe
    assert list((out / "history").iterdir()) == []
    with pytest.raises(ValueError, match="no `decide` that could be taken back"):
        undo(os.fspath(out))


def test_after_another_change_an_undo_decides_anew_by_the_bounds_of_before(
    films: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """New videos and a filter came between; those are decided by the bounds of before, too."""
    moved(out, "rules.motion.min=1000")
    run_filter("sharpness", os.fspath(out), engine="in-process")
    curate(os.fspath(films), os.fspath(out), CONFIG, engine="in-process")
    assert set(clips(out)["status"]) == {"rejected"}
    assert "decided anew by the bounds of before" in undo(os.fspath(out))
    expected = out.parent / "expected"
    curate(os.fspath(films), os.fspath(expected), CONFIG, engine="in-process")
    got, wanted = clips(out), clips(expected)
    assert got["sharpness"].notna().any()
    pd.testing.assert_frame_equal(
        got[wanted.columns].sort_values("clip_id", ignore_index=True),
        wanted.sort_values("clip_id", ignore_index=True),
    )


def test_new_videos_follow_the_bounds_that_decide_has_set(films: Path, out: Path, tmp_path: Path) -> None:
    """Whatever the command line says of the bounds of then or of now; another bound is refused, and so is what
    measures otherwise."""
    bound = middle(out)
    moved(out, f"rules.motion.min={bound}", "rules.brightness.min=1")
    both = tmp_path / "both"
    shutil.copytree(films, both)
    for given in ([], [f"rules.motion.min={bound}"], ["rules.brightness.min=1"]):
        curate(os.fspath(both), os.fspath(out), CONFIG, engine="in-process", assignments=given)
    config = override(CONFIG, [f"rules.motion.min={bound}", "rules.brightness.min=1"])
    curate(os.fspath(both), os.fspath(tmp_path / "expected"), config, engine="in-process")
    pd.testing.assert_frame_equal(
        clips(out).drop(columns="source_uri").sort_values("clip_id", ignore_index=True),
        clips(tmp_path / "expected").drop(columns="source_uri").sort_values("clip_id", ignore_index=True),
    )
    with pytest.raises(ValueError, match=rf"rules\.motion\.min: {bound} -> 77\.0"):
        curate(os.fspath(both), os.fspath(out), override(CONFIG, ["rules.motion.min=77"]), engine="in-process")
    for other in ("shots.margin_frames=9", "rules.brightness.max=3"):
        with pytest.raises(ValueError, match=other.partition("=")[0]):
            curate(os.fspath(both), os.fspath(out), override(CONFIG, [other]), engine="in-process")


def test_a_dry_run_says_what_decide_then_does_and_changes_nothing(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(out, "rules.motion.min=p100")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    bounds = ["rules.motion.min=p50", "rules.duration_seconds.min=none", "rules.brightness.max=100"]
    command = ["decide", os.fspath(out), *(f"--set={bound}" for bound in bounds)]
    assert main([*command, "--dry-run"]) == 0
    assert "nothing is changed" in capsys.readouterr().out
    assert main([*command, "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    old = clips(out)
    assert main(command) == 0
    new = clips(out)
    assert said["clips"]["clips"] == len(old)
    for when, table in (("before", old), ("after", new)):
        kept = table[table["status"] == "kept"]
        assert said["kept"][when] == {
            "clips": len(kept),
            "seconds": pytest.approx(kept["duration_seconds"].sum()),
        }
        broken = table.explode("reasons").dropna(subset="reasons")
        for rule, counts in said["rules"].items():
            of_rule = broken[broken["reasons"].str.startswith(f"{rule}:")]
            assert counts[when]["clips"] == len(of_rule)
            assert counts[when]["seconds"] == pytest.approx(of_rule["duration_seconds"].sum())
    assert said["lost"]["clips"] == ((old["status"] == "kept") & (new["status"] != "kept")).sum()
    assert said["won"]["clips"] == ((old["status"] != "kept") & (new["status"] == "kept")).sum() > 0
    assert said["bounds"]["motion"][1] == f"from {middle(out)}"


def test_what_a_known_fact_rejected_is_measured_once_a_bound_lets_it_through(
    films: Path, out: Path, tmp_path: Path
) -> None:
    short = clips(out)["duration_seconds"] < 3
    assert short.any()
    assert clips(out)["motion"].isna().tolist() == short.tolist()
    assert {tuple(reasons) for reasons in clips(out)["reasons"][short]} == {("duration_seconds:below_3.0",)}
    moved(out, "rules.duration_seconds.min=none")
    assert {tuple(reasons) for reasons in clips(out)["reasons"][short]} == {("motion:not_measured",)}
    for name in ("motion", "brightness"):
        run_filter(name, os.fspath(out), engine="in-process")
    few = tmp_path / "few"
    few.mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy2(films / name, few)
    curate(
        os.fspath(few), os.fspath(tmp_path / "expected"), replace(CONFIG, rules=CONFIG.rules[1:]), engine="in-process"
    )
    columns = ["clip_id", "motion", "brightness", "status"]
    pd.testing.assert_frame_equal(clips(out)[columns], clips(tmp_path / "expected")[columns])


def test_a_percentile_is_recorded_as_the_number_that_it_is(out: Path) -> None:
    moved(out, "rules.motion.min=p50")
    run = json.loads((out / "run.json").read_text())
    assert {"column": "motion", "min": middle(out), "max": None} in run["recipe"]["rules"]
    assert (clips(out)["motion"] < middle(out)).sum() <= len(clips(out)) / 2


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        ("rules.motion.min=p101", "p0 to p100"),
        ("rules.motoin.min=p10", "did you mean motion"),
        ("rules.motion.min=q10", "expected float"),
        ("rules.crop_left.min=p10", "no such column"),
    ],
)
def test_what_is_no_percentile_is_refused(out: Path, bound: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        moved(out, bound)


@pytest.mark.parametrize("seed", range(30))
def test_a_percentile_is_the_value_at_its_rank_whatever_the_values(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(seed)
    monkeypatch.setattr("pipelines.percentiles.MOST_SORTED", int(draw.integers(1, 50)))
    values = draw.choice(
        [draw.normal(size=300), draw.integers(-3, 3, 300).astype(float), 10.0 ** draw.uniform(-300, 300, 300)]
    )
    share = Fraction(int(draw.integers(0, 1001)), 1000)
    found = percentile(lambda: iter(np.array_split(values, 7)), share)
    assert found is not None
    value, count = found
    assert count == len(values)
    assert value in values
    assert int((values <= value).sum()) >= share * count
    assert value == values.min() or int((values < value).sum()) < share * count


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_change_replaces_is_put_back_to_the_byte(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of any rows, nulls and empty lists included, in groups of any size."""
    draw = np.random.default_rng(seed)
    monkeypatch.setattr("preprocess.io.tables.GROUP_ROWS", int(draw.integers(1, 9)))
    monkeypatch.setattr("preprocess.io.tables.PART_ROWS", 12)
    manifest, run = Manifest(os.fspath(tmp_path)), {"fingerprint": "f"}
    manifest.replace_clips(_any_rows(draw, int(draw.integers(0, 40))), {"clipmill_fingerprint": "e"})
    before = files(tmp_path)

    def change(rows: pa.Table) -> pa.Table:
        others = _any_rows(draw, rows.num_rows)
        names = draw.choice(others.column_names[1:], 3, replace=False).tolist()
        for name in names:
            rows = rows.set_column(rows.column_names.index(name), name, others[name])
        return rows

    manifest.rewrite_clips(change, run, name="one", seen=history.recording(manifest, "one"))
    entry = history.Entry.loaded({"change": "one", "at": "", "moved": [], "before": {"name": "", "rules": []}})
    assert entry is not None
    replaced = history.replaced_by(manifest, entry)
    assert replaced is not None
    manifest.rewrite_clips(replaced.put_back, run, exactly=replaced.schema)
    assert replaced.is_back(manifest)
    assert files(tmp_path) == before


def _any_rows(draw: np.random.Generator, count: int) -> pa.Table:
    def text() -> str | None:
        return draw.choice(np.array([None, "", "a", "b", "ü\x1e"], object))

    def texts() -> list[str | None] | None:
        return None if draw.random() < 0.2 else [text() for _ in range(draw.integers(0, 3))]

    kinds: Mapping[str, Any] = {
        "caption": text,
        "status": text,
        "reasons": texts,
        "caption_issues": texts,
        "captioner": text,
    }
    columns = {name: [make() for _ in range(count)] for name, make in kinds.items()}
    fields = [(name, pa.list_(pa.string()) if make is texts else pa.string()) for name, make in kinds.items()]
    return pa.table(
        {"clip_id": [str(n) for n in range(count)], **columns}, pa.schema([("clip_id", pa.string()), *fields])
    )


@pytest.mark.parametrize("change", ["decide", "undo"])
def test_a_kill_at_any_step_leaves_one_state_or_the_other_and_the_way_back(
    begun: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.decide.offer_report", lambda _: None)
    start = Path(shutil.copytree(begun, tmp_path / "start"))
    first, tight = files(start), f"rules.motion.min={middle(start)}"
    if change == "undo":
        moved(start, tight)
    for step in itertools.count(1, 5):
        out = Path(shutil.copytree(start, tmp_path / str(step)))
        do = (lambda out=out: moved(out, tight)) if change == "decide" else (lambda out=out: undo(os.fspath(out)))
        code = ended(do, Steps(step, ANYWHERE).watch)
        if change == "undo" and Manifest(os.fspath(out)).run_to_be() is not None:
            assert "brought to its end" in undo(os.fspath(out))  # and not one more
        moved(out)  # one more, after which all are taken back
        while history.entries(Manifest(os.fspath(out)).run() or {}):
            assert "byte for byte" in undo(os.fspath(out))
        assert files(out) == first
        assert list((out / "history").iterdir()) == []
        run = json.loads((out / "run.json").read_text())
        assert run["recipe"] == json.loads((begun / "run.json").read_text())["recipe"]
        if code == 0:
            break
    assert step > 8


def test_in_a_bucket_too(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_server() as address:
        use_server(monkeypatch, address)
        out = f"{make_bucket('bounds')}/out"
        curate(os.fspath(films / "a.mp4"), out, CONFIG, engine="in-process")
        place = f"{out}/clips/part-00000.parquet"
        before = storage.read_bytes(place)
        decide(out, recipe=None, assignments=["rules.motion.min=p100"])
        assert storage.read_bytes(place) != before
        assert "byte for byte" in undo(out)
        assert storage.read_bytes(place) == before
        assert storage.list_files(f"{out}/history", "") == []
        assert dry_run(out, recipe=None, assignments=["rules.motion.min=p100"]).lost.clips == 1


def test_a_history_that_a_stranger_wrote_is_passed_over(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = json.loads((out / "run.json").read_text())
    good = {"change": "a", "at": "\x1b[31mnow", "moved": ["rules.x\x07: 1 -> 2"], "before": {"name": "n", "rules": []}}
    bad = [
        None,
        3,
        {},
        good | {"change": "../../x"},
        good | {"before": {"name": "n", "rules": [{"type": "os:system"}]}},
    ]
    (out / "run.json").write_text(json.dumps(run | {"history": [*bad, good, {"change": "b"}], "begun": {"rules": 3}}))
    assert main(["decide", os.fspath(out), "--history"]) == 0
    assert capsys.readouterr().out == "\\x1b[31mnow  rules.x\\x07: 1 -> 2\n"
    assert main(["decide", os.fspath(out), "--undo", "--set", "rules.motion.min=1"]) == 1


def test_what_a_stranger_put_beside_a_history_is_not_put_back(out: Path) -> None:
    first = clips(out)
    for strange in (b"", b"PAR1", None):
        moved(out, "rules.motion.min=1000")
        [file] = (out / "history").iterdir()
        if strange is not None:
            file.write_bytes(strange)
        else:
            pd.DataFrame({"place": [0, 10**9], "clip_id": ["x", "y"]}).to_parquet(file)
        assert "decided anew" in undo(os.fspath(out))
        pd.testing.assert_frame_equal(clips(out), first)
