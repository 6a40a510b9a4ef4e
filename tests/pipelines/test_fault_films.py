"""A folder of films that went wrong: the run ends, each has its row, and the others are as if they were alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipelines.curate import curate
from pipelines.recipe import recipes
from preprocess.io.settings import override
from tests import videos
from tests.fault_films import FAULT_FILMS, MAX_PIXELS, fault_folder

ROOT = Path(__file__).resolve().parents[2]
GOOD = ("0 first.mp4", "z last.mp4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for name in GOOD:
        videos.shots_video(folder / name, seconds=(4, 5), openings=("cut", "cut"))
    fault_folder(folder)
    (folder / "z last.json").write_text('{"license": "half \\ud800", "url": NaN, "title": "T"}')
    (folder / "hour.json").write_text("[" * 200_000)
    (folder / "pause.json").mkdir()
    os.mkfifo(folder / "grows.json")
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the good films alone, where they lie."""
    out, alone = (tmp_path_factory.mktemp(name) for name in ("out", "alone"))
    for name in GOOD:
        os.link(folder / name, alone / name)
    os.link(folder / "z last.json", alone / "z last.json")
    curated(alone, out, "local")
    return out


def test_a_film_that_takes_too_long_keeps_what_was_found(tmp_path: Path) -> None:
    film, out = tmp_path / "v.mp4", tmp_path / "out"
    videos.shots_video(film, seconds=(4.0,) * 12, openings=("cut",) * 12)

    def curated_within(*bounds: str, again: tuple[str, ...] = ()) -> tuple[str, str, int]:
        config = override(recipes.default(), bounds)
        curate(os.fspath(film), os.fspath(out), config, engine="local", again=again)
        (source,) = pd.read_parquet(out / "sources").to_dict("records")
        assert source["num_clips"] == len(pd.read_parquet(out / "clips"))
        reason = "" if pd.isna(source["reason"]) else source["reason"].split(":")[0]
        return source["status"], reason, source["num_clips"]

    stopped = curated_within("bounds.work_seconds=0.15", "bounds.work_per_second=0.0001")
    assert stopped[:2] == ("damaged", "too_slow")
    assert 0 < stopped[2] < 12
    assert curated_within() == stopped
    assert curated_within(again=("too_slow",)) == ("ok", "", 12)


def curated(folder: Path, out: Path, engine: str) -> None:
    command = [sys.executable, "-m", "pipelines", "curate", os.fspath(folder), os.fspath(out), "--engine", engine]
    for setting in ("rules.short_side.min=none", f"bounds.max_pixels={MAX_PIXELS}"):
        command += ["--set", setting]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=[pytest.mark.cluster, pytest.mark.attack])])
def test_each_film_has_its_row_and_the_others_theirs(
    folder: Path, undisturbed: Path, tmp_path: Path, engine: str
) -> None:
    curated(folder, tmp_path, engine)
    sources = pd.read_parquet(tmp_path / "sources").set_index("uri")
    clips = pd.read_parquet(tmp_path / "clips")
    assert clips["duration_seconds"].max() <= 10
    assert clips["duration_seconds"].min() > 0
    for name, film in FAULT_FILMS.items():
        row = sources.loc[os.fspath(folder / name)]
        said = "" if pd.isna(row["reason"]) else row["reason"]
        assert (row["status"], said[: len(film.reason or said)]) == (film.status, film.reason or ""), (name, said)
        own = clips[(clips["source_uri"] == os.fspath(folder / name)) & (clips["duration_seconds"] >= 2)]
        assert tuple(zip(own["width"], own["height"], strict=True)) == film.sizes, name
    expected = pd.read_parquet(undisturbed / "clips")
    got = clips[clips["source_uri"].isin([os.fspath(folder / name) for name in GOOD])]
    pd.testing.assert_frame_equal(
        got.drop(columns="source_uri").reset_index(drop=True),
        expected.drop(columns="source_uri"),
        check_dtype=False,  # a column without a null is of whole numbers to pandas
    )
    assert len(sources) == len(FAULT_FILMS) + len(GOOD)
    said = sources.loc[os.fspath(folder / "z last.mp4"), ["license", "url", "title"]]
    assert list(said.fillna("")) == ["half \ufffd", "", "T"]
