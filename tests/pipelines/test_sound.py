"""Films with and without sound become columns, and the recipe for sound keeps what can be heard."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from filters.sharpness import SharpnessScorer
from pipelines.curate import curate
from pipelines.filter import run_filter
from pipelines.recipe import recipes
from tests.sound_films import film_with, tone

COLUMNS = ["has_audio", "has_sound", "silence", "loudness", "clipping", "sound_offset"]
SOUND = ("has_sound", "loudness", "clipping", "sound_offset")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    film_with(folder / "loud.mkv", tone(-23, 4), codec="flac")
    film_with(folder / "dumb.mkv", None)
    film_with(folder / "silent.mkv", np.zeros((2, 4 * 48_000), np.float32), codec="flac")
    film_with(folder / "unknown.mkv", tone(-23, 4), codec="flac")
    unknown = folder / "unknown.mkv"
    unknown.write_bytes(unknown.read_bytes().replace(b"A_FLAC", b"A_NONE"))
    return folder


def clips(out: Path) -> pd.DataFrame:
    table = pd.read_parquet(out / "clips")
    return table.set_index(table["source_uri"].map(lambda uri: Path(uri).stem)).sort_index()


def test_the_recipe_for_sound_keeps_what_can_be_heard(films: Path, tmp_path: Path) -> None:
    base = recipes.with_sound()
    config = replace(
        base,
        scorers=tuple(scorer for scorer in base.scorers if scorer.name in SOUND),
        rules=tuple(rule for rule in base.rules if rule.column in ("duration_seconds", "has_sound", "silence")),
    )
    assert len(config.rules) == 3
    curate(os.fspath(films), os.fspath(tmp_path), config, engine="in-process")
    table = clips(tmp_path)
    assert list(table["status"][["dumb", "loud", "silent", "unknown"]]) == ["rejected", "kept", "rejected", "rejected"]
    assert table.loc["loud", COLUMNS].tolist() == [True, True, 0.0, pytest.approx(-23, abs=0.1), 0.0, 0.0]
    assert list(table.loc["dumb", "reasons"]) == ["has_sound:below_1.0", "silence:not_measured"]
    assert list(table.loc["silent", "reasons"]) == ["has_sound:below_1.0", "silence:above_0.8"]
    assert list(table.loc["unknown", "reasons"]) == ["has_sound:not_measured", "silence:not_measured"]
    assert table.loc["unknown", "has_audio"]
    assert pd.isna(table.loc[["dumb", "silent", "unknown"], "loudness"]).all()


def test_a_filter_of_sound_on_a_manifest_without_one(films: Path, tmp_path: Path) -> None:
    config = replace(recipes.default(), scorers=(SharpnessScorer(),), rules=())
    curate(os.fspath(films), os.fspath(tmp_path), config, engine="in-process")
    assert "loudness" not in clips(tmp_path)
    for name in SOUND:
        run_filter(name, os.fspath(tmp_path), engine="in-process")
    table = clips(tmp_path)
    assert table.loc["loud", "loudness"] == pytest.approx(-23, abs=0.1)
    assert table.loc["loud", COLUMNS[:3]].tolist() == [True, True, 0.0]
    assert table.loc["silent", COLUMNS[:3]].tolist() == [True, False, 1.0]
    assert (table["status"] == "kept").all()
