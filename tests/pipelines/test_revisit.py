"""Clips of a finished manifest, measured and described once more: what kills a worker is left out, the rest goes on."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pipelines.caption import run_caption
from pipelines.curate import curate
from pipelines.filter import run_filter
from pipelines.recipe import recipes
from preprocess.io.settings import override
from tests import videos
from tests.pipelines import strangers

HERE = strangers.__name__
KILLED = "machine_failure: killed its worker 3 times"
ENGINES = ["local", pytest.param("ray", marks=[pytest.mark.attack, pytest.mark.cluster])]
"""That Ray's workers are replaced as the local child is, `test_curate.py` tries in each run of the tests."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, out = tmp_path_factory.mktemp("bucket"), tmp_path_factory.mktemp("made")
    videos.shots_video(folder / "a.mp4", seconds=(4, 5, 3.5), openings=("cut",) * 3)
    videos.shots_video(folder / "b.mp4", seconds=(4.5, 6), openings=("cut",) * 2)
    config = override(recipes.default(), ["rules.short_side.min=none", "rules.text_area.max=none"])
    curate(os.fspath(folder), os.fspath(out), config, engine="in-process")
    return out


@pytest.fixture
def manifest(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


def table(manifest: Path) -> pd.DataFrame:
    return pd.read_parquet(manifest / "clips").set_index("clip_id")


def kept_clip(manifest: Path, number: int) -> str:
    clips = table(manifest)
    return str(clips.index[clips["status"] == "kept"][number])


@pytest.mark.parametrize("engine", ENGINES)
def test_clip_that_kills_its_scorer_is_left_out_and_all_others_are_scored(
    manifest: Path, caplog: pytest.LogCaptureFixture, engine: str
) -> None:
    victim = kept_clip(manifest, 1)
    with caplog.at_level(logging.WARNING, "clipmill"):
        run_filter(
            f"{HERE}:DeadlyScorer",
            os.fspath(manifest),
            assignments=[f"scorers.deadly.victim={victim}", "rules.deadly.min=0"],
            engine=engine,
            workers=2,
        )
    clips = table(manifest)
    assert list(clips.index[clips["deadly"].isna()]) == [victim]
    others = clips.drop(victim)
    assert others["deadly"].tolist() == pytest.approx(others["duration_seconds"].tolist())
    assert list(clips.loc[victim, "reasons"]) == ["deadly:not_measured"]
    assert [victim in record.message and KILLED in record.message for record in caplog.records] == [True]
    assert not (manifest / "attempts").exists()
    assert not list((manifest / "columns").iterdir())


@pytest.mark.attack
@pytest.mark.cluster
def test_clip_that_kills_a_batch_is_left_out_of_it(manifest: Path) -> None:
    victim = str(table(manifest)["duration_seconds"].idxmax())
    run_filter(
        f"{HERE}:DeadlyModelScorer",
        os.fspath(manifest),
        assignments=["scorers.deadly_model.most_frames=10"],
        engine="ray",
        workers=1,
    )
    scores = table(manifest)["deadly_model"]
    assert list(scores.index[scores.isna()]) == [victim]


@pytest.mark.parametrize("engine", ENGINES)
def test_clip_that_kills_its_captioner_keeps_its_caption_and_all_others_have_new_ones(
    manifest: Path, engine: str
) -> None:
    victim = kept_clip(manifest, 2)
    run_caption(
        os.fspath(manifest),
        captioner=f"{HERE}:DeadlyCaptioner",
        assignments=[f"captioner.victim={victim}"],
        engine=engine,
        workers=1,
    )
    clips = table(manifest)
    kept = clips[clips["status"] == "kept"]
    assert set(kept.drop(victim)["captioner"]) == {"deadly_words"}
    assert kept.drop(victim)["caption"].str.startswith("A clip of").all()
    row = kept.loc[victim]
    assert (row["captioner"], row["caption_outcome"]) == ("attributes", "ok")
    (issue,) = row["caption_issues"]
    assert issue.startswith("not_replaced: deadly_words")
    assert issue.endswith(f"error: {KILLED}")


def test_storage_that_fails_twice_is_asked_again(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.clips.attempts.PAUSE_SECONDS", 0.0)
    (tmp_path / "marks").mkdir()
    run_filter(
        f"{HERE}:HiccupScorer",
        os.fspath(manifest),
        assignments=[f"scorers.hiccup.marks={tmp_path / 'marks'}"],
        engine="in-process",
    )
    assert set(table(manifest)["hiccup"]) == {2}
