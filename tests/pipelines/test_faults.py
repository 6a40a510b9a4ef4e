"""Whatever goes wrong with one file, the others have the rows of a run without it; what is no fact is tried again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pipelines.curate import curate
from pipelines.filter import run_filter
from pipelines.outcomes import Outcomes
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from preprocess.io.settings import override
from tests import videos
from tests.pipelines import strangers

ROOT = Path(__file__).resolve().parents[2]
FILMS = ("a.mp4", "b.mp4", "c.mp4", "d.mp4")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    for number, name in enumerate(FILMS):
        videos.shots_video(folder / name, seconds=(2 + number / 4, 2), openings=("cut",) * 2)
    return folder


def config(troubles: Path) -> CurateConfig:
    """A recipe of one scorer, that makes trouble where the file says so."""
    return replace(
        recipes.default(), rules=(), towers=(), scorers=(strangers.TroubledScorer(troubles=os.fspath(troubles)),)
    )


def run(bucket: Path, out: Path, troubles: dict[str, str], **options: object) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Clips and sources by the name of the file, and the exit status."""
    file = bucket.parent / "troubles.json"
    file.write_text(json.dumps(troubles))
    settings = override(config(file), list(options.pop("settings", ())))  # type: ignore[call-overload]
    finished = curate(os.fspath(bucket), os.fspath(out), settings, **{"engine": "in-process"} | options)  # type: ignore[arg-type]
    clips, sources = pd.read_parquet(out / "clips"), pd.read_parquet(out / "sources")
    sources.index = sources["uri"].map(lambda uri: Path(uri).name)
    return clips.set_index("clip_id"), sources, finished.outcomes.status


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks again does so at once."""
    monkeypatch.setattr("pipelines.clips.attempts.PAUSE_SECONDS", 0.0)


@pytest.fixture(scope="module")
def undisturbed(bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    return run(bucket, tmp_path_factory.mktemp("undisturbed"), {})


def assert_neighbours_equal(got: pd.DataFrame, undisturbed: pd.DataFrame, victims: set[str]) -> None:
    others = ~undisturbed["source_uri"].map(lambda uri: Path(uri).name).isin(victims)
    pd.testing.assert_frame_equal(got, undisturbed[others])


def test_a_bug_on_one_file_is_settled_with_its_traceback(
    bucket: Path, tmp_path: Path, undisturbed: tuple[pd.DataFrame, pd.DataFrame, int]
) -> None:
    clips, sources, status = run(bucket, tmp_path, {"b.mp4": "bug"})
    assert status == 1
    assert sources.loc["b.mp4", ["status", "reason"]].tolist() == ["failed", "internal_error: ZeroDivisionError: a bug"]
    assert_neighbours_equal(clips, undisturbed[0], {"b.mp4"})
    (kept,) = (tmp_path / "errors").iterdir()
    assert "b.mp4" in kept.read_text()
    assert "in _bug" in kept.read_text()
    # it is settled, until somebody asks
    assert run(bucket, tmp_path, {})[2] == 0
    assert run(bucket, tmp_path, {})[1].loc["b.mp4", "status"] == "failed"
    again = run(bucket, tmp_path, {}, again=["internal_error"])
    for one, other in zip(again, undisturbed, strict=True):
        assert one.equals(other) if isinstance(one, pd.DataFrame) else one == other


def test_strict_stops_at_the_first(bucket: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"unit [0-9a-f]{24}: .*b\.mp4.*ZeroDivisionError: a bug"):
        run(bucket, tmp_path, {"b.mp4": "bug", "c.mp4": "bug"}, strict=True, engine="local")
    assert not (tmp_path / "errors").exists()


@pytest.mark.usefixtures("impatient")
def test_an_outage_is_no_fact(
    bucket: Path, tmp_path: Path, undisturbed: tuple[pd.DataFrame, pd.DataFrame, int]
) -> None:
    clips, sources, status = run(bucket, tmp_path, {"b.mp4": "outage", "d.mp4": "outage"})
    assert status == 3
    assert sources["reason"].dropna().tolist() == ["machine_failure: OSError: 503 Slow Down"] * 2
    assert_neighbours_equal(clips, undisturbed[0], {"b.mp4", "d.mp4"})
    assert run(bucket, tmp_path, {"d.mp4": "outage"})[2] == 3
    for one, other in zip(run(bucket, tmp_path, {}), undisturbed, strict=True):
        assert one.equals(other) if isinstance(one, pd.DataFrame) else one == other


@pytest.mark.usefixtures("impatient")
def test_an_outage_of_everything_stops_the_run_and_settles_nothing(
    bucket: Path, tmp_path: Path, undisturbed: tuple[pd.DataFrame, pd.DataFrame, int]
) -> None:
    with pytest.raises(ValueError, match=r"3 files in a row could not be read, .*c\.mp4.*503"):
        run(bucket, tmp_path, dict.fromkeys(FILMS, "outage"), settings=["failures_in_a_row=3"])
    for one, other in zip(run(bucket, tmp_path, {}), undisturbed, strict=True):
        assert one.equals(other) if isinstance(one, pd.DataFrame) else one == other


def test_only_what_fails_without_a_success_between_is_a_row() -> None:
    outcomes = Outcomes(override(recipes.default(), ["failures_in_a_row=3", "internal_errors_in_a_row=3"]))
    bug, outage = "internal_error: KeyError", "not_found"
    outcomes.add([("a", bug), ("b", bug), ("c", None), ("d", bug), ("e", "not_a_video: text"), ("f", bug)])
    outcomes.add([("a", outage), ("b", outage), ("c", "empty_file"), ("d", outage), ("d", outage), ("d", outage)])
    assert (set(outcomes.internal_errors), set(outcomes.unsettled)) == (set("abdf"), set("abd"))
    with pytest.raises(ValueError, match="3 files in a row could not be read"):
        outcomes.add([("x", outage), ("y", outage)])
    outcomes = Outcomes(override(recipes.default(), ["internal_errors_in_a_row=3"]))
    outcomes.add([("a", bug), ("b", bug), ("b", bug), ("c", "empty_file")])
    with pytest.raises(ValueError, match="error of our own code"):
        outcomes.add([("x", bug)])


def test_one_filter_leaves_out_the_clips_that_it_fails_on(
    bucket: Path, tmp_path: Path, undisturbed: tuple[pd.DataFrame, pd.DataFrame, int]
) -> None:
    plain = replace(recipes.default(), rules=(), towers=(), scorers=())
    curate(os.fspath(bucket), os.fspath(tmp_path), plain, engine="local")
    file = tmp_path / "troubles.json"
    file.write_text(json.dumps({"c.mp4": "bug"}))
    finished = run_filter(
        f"{strangers.__name__}:TroubledScorer",
        os.fspath(tmp_path),
        assignments=[f"scorers.troubled.troubles={file}"],
        engine="local",
    )
    assert finished.outcomes.status == 1
    clips = pd.read_parquet(tmp_path / "clips").set_index("clip_id")
    expected = undisturbed[0]["troubled"].mask(clips["source_uri"].str.endswith("c.mp4"))
    pd.testing.assert_series_equal(clips["troubled"], expected, check_dtype=False)
    assert len(list((tmp_path / "errors").iterdir())) == expected.isna().sum() > 0


TROUBLES = {
    "bug": ("internal_error", "ZeroDivisionError: a bug"),
    "outage": ("machine_failure", "OSError: 503 Slow Down"),
    "out of memory": ("machine_failure", "MemoryError"),
    "kill": ("machine_failure", "killed its worker 3 times"),
    "exit": ("machine_failure", "killed its worker 3 times"),
    "segfault": ("internal_error", "Segmentation fault, 3 times"),
    "hang": ("too_slow", "it held the interpreter"),
    "sleep": ("too_slow", "no progress for 6 s"),
    "memory": ("too_large", "GB of memory"),
}
"""What a file may do to a worker, and the reason that it gets."""
SHORT = ["bounds.stall_seconds=6", f"bounds.memory_bytes={300 << 20}"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=[pytest.mark.attack, pytest.mark.cluster])])
def test_whatever_a_file_does_the_others_are_done(tmp_path: Path, engine: str) -> None:
    (tmp_path / "in").mkdir()
    names = dict.fromkeys(f"{kind}.mp4" for kind in (*TROUBLES, "none", "nothing"))
    for number, name in enumerate(names):
        videos.shots_video(tmp_path / "in" / name, seconds=(3.5 + number / 8,), openings=("cut",))
    expected = run(tmp_path / "in", tmp_path / "undisturbed", {}, settings=SHORT, engine="local")[0]
    troubles = {f"{kind}.mp4": kind for kind in TROUBLES}
    clips, sources, status = run(tmp_path / "in", tmp_path / "out", troubles, settings=SHORT, engine=engine)
    assert status == 1
    assert_neighbours_equal(clips, expected, set(troubles))
    for kind, (reason, detail) in TROUBLES.items():
        row = sources.loc[f"{kind}.mp4"]
        assert row["status"] == "failed"
        assert row["reason"].startswith(f"{reason}: ")
        assert detail in row["reason"]
    assert len(list((tmp_path / "out" / "errors").iterdir())) == 2
    assert any("ctypes" in path.read_text() for path in (tmp_path / "out" / "errors").iterdir())
    assert not (tmp_path / "out" / "attempts").exists()
    # what is no fact about a file is tried again, and nothing else
    again, _, status = run(tmp_path / "in", tmp_path / "out", {})
    settled = {f"{kind}.mp4" for kind, (reason, _) in TROUBLES.items() if reason != "machine_failure"}
    assert status == 0
    assert_neighbours_equal(again, expected, settled)


@pytest.mark.slow
def test_what_was_found_before_a_hang_is_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    videos.shots_video(tmp_path / "in" / "a.mp4", seconds=(5,) * 6, openings=("cut",) * 6)
    whole = run(tmp_path / "in", tmp_path / "whole", {})[0]
    sleepy = {"a.mp4": "sleep after 22"}
    clips, sources, status = run(tmp_path / "in", tmp_path / "out", sleepy, settings=SHORT, engine="local")
    assert status == 0
    assert sources.loc["a.mp4", ["status", "reason"]].tolist() == ["damaged", "too_slow: no progress for 6 s"]
    assert sources.loc["a.mp4", "num_clips"] == len(clips) == 5
    pd.testing.assert_frame_equal(clips, whole[:5])
    again = run(tmp_path / "in", tmp_path / "out", {}, again=["too_slow"])
    pd.testing.assert_frame_equal(again[0], whole)


def test_nothing_to_curate_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").touch()
    arguments = ["curate", os.fspath(tmp_path / "in"), os.fspath(tmp_path / "out"), "--engine", "local"]
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no file that could be a video (1 .txt passed over)" in done.stderr
    assert not (tmp_path / "out" / "clips").exists()
