"""A page that cannot be written costs a warning, and no run; asked for alone it is an error, said in a sentence."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from filters.motion import MotionScorer
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.outcomes import Finished
from pipelines.recipe import recipes
from pipelines.report import write
from tests import videos

CONFIG = replace(recipes.default(), scorers=(MotionScorer(),), rules=(Range(column="motion", min=0.1),))


def curated(folder: Path) -> Finished:
    return curate(os.fspath(folder / "videos"), os.fspath(folder / "out"), CONFIG, engine="in-process")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    (folder / "videos").mkdir()
    videos.shots_video(folder / "videos" / "film.mp4", seconds=(4,), openings=("cut",))
    curated(folder)
    return folder


@pytest.fixture(params=["disk", "bug"])
def spoilt(first: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Films with a manifest whose page cannot be written, or not be made."""
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    (tmp_path / "out" / "report.html").unlink()
    if request.param == "disk":
        (tmp_path / "out" / "report.html").mkdir()
    else:
        monkeypatch.setattr(write, "fill_template", lambda data: 1 / 0)
    return tmp_path


def test_a_run_ends_as_it_would_have_and_says_what_is_missing(
    spoilt: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(spoilt / "out" / "clips")
    shutil.rmtree(spoilt / "out" / "sources")
    assert curated(spoilt).outcomes.status == 0
    assert len(pd.read_parquet(spoilt / "out" / "clips")) == 1
    (said,) = [record.getMessage() for record in caplog.records if "report.html is not written" in record.getMessage()]
    assert "\n" not in said
    assert main(["decide", os.fspath(spoilt / "out"), "--set", "rules.motion.min=1000"]) == 0
    assert pd.read_parquet(spoilt / "out" / "clips")["status"].tolist() == ["rejected"]
    assert "Traceback" not in capfd.readouterr().err


def test_the_page_alone_is_refused_in_a_sentence(spoilt: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["report", os.fspath(spoilt / "out")]) == 1
    said = capfd.readouterr().err
    assert said.startswith("report: ")
    assert said.count("\n") == 1


def test_previews_that_cannot_be_read_leave_the_page_without_pictures(
    first: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    page = tmp_path / "out" / "report.html"
    assert "data:image/jpeg" in page.read_text()
    for table in (tmp_path / "out" / "previews").glob("*.parquet"):
        table.write_bytes(b"PAR1 no table PAR1")
    assert main(["report", os.fspath(tmp_path / "out")]) == 0
    assert "data:image/jpeg" not in page.read_text()
    assert any("previews cannot be read" in record.getMessage() for record in caplog.records)
