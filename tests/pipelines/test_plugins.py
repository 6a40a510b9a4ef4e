"""Plug-ins by the names of their files, and from elsewhere only where the command line says so."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import filters
from filters.base import Measurement
from pipelines.caption import run_caption
from pipelines.curate import curate
from pipelines.decide import decide
from pipelines.filter import run_filter
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.plugins import captioner_named, plug_ins, scorer_named, with_scorer
from preprocess.io.settings import override
from tests import videos
from tests.pipelines import strangers

ROOT = Path(__file__).resolve().parents[2]

STRANGER = "tests.pipelines.strangers:LengthScorer"
WORDS = "tests.pipelines.strangers:LengthCaptioner"


def config() -> CurateConfig:
    return override(recipes.default(), ["rules.short_side.min=none", "rules.text_area.max=none"])


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    videos.shots_video(tmp_path / "in" / "a.mp4", seconds=(4, 5), openings=("cut",) * 2)
    curate(os.fspath(tmp_path / "in"), os.fspath(tmp_path / "out"), config(), engine="in-process")
    return tmp_path / "out"


@pytest.fixture
def broken_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that raises, and one that is fine, in a folder that is searched like `filters/`."""
    folder = tmp_path / "more_filters"
    folder.mkdir()
    (folder / "a_broken.py").write_text("import nosuchlibrary\n")
    (folder / "redness.py").write_text(
        "from dataclasses import dataclass\n"
        "from filters.base import Scorer\n"
        "@dataclass(frozen=True)\n"
        "class RednessScorer(Scorer):\n"
        "    name = 'redness'\n"
        "    columns = {'redness': float}\n"
        "    def score(self, view):\n"
        "        return {'redness': 1.0}\n"
    )
    monkeypatch.setattr(filters, "__path__", [*filters.__path__, os.fspath(folder)])


@pytest.mark.usefixtures("broken_neighbour")
def test_broken_neighbour_disturbs_no_command(manifest: Path) -> None:
    run_filter("redness", os.fspath(manifest), engine="in-process")  # no child looks into that other folder
    assert set(pd.read_parquet(manifest / "clips")["redness"]) == {1.0}
    decide(os.fspath(manifest), recipe=None, assignments=["rules.redness.min=2"])
    assert set(pd.read_parquet(manifest / "clips")["status"]) == {"rejected"}
    assert "a_broken" in plug_ins("filters", Measurement)[1]
    with pytest.raises(ValueError, match=r"no filter 'rednes'; .*redness.*a_broken cannot be imported: ModuleNotFound"):
        run_filter("rednes", os.fspath(manifest), engine="in-process")
    with pytest.raises(ValueError, match="a_broken cannot be imported: ModuleNotFoundError: No module named 'nosuchl"):
        run_filter("a_broken", os.fspath(manifest), engine="in-process")


def test_stranger_s_filter_is_remembered(manifest: Path) -> None:
    out = os.fspath(manifest)
    run_filter(STRANGER, out, assignments=["scorers.length.times=2"], engine="local")
    clips = pd.read_parquet(manifest / "clips")
    assert clips["length"].tolist() == (2 * clips["num_frames"]).tolist()
    decide(out, recipe=None, assignments=["rules.length.min=1000000"])
    assert set(pd.read_parquet(manifest / "clips")["status"]) == {"rejected"}
    decide(out, recipe=None, assignments=["rules.length.min=none"])
    videos.shots_video(manifest.parent / "in" / "b.mp4", seconds=(6,), openings=("cut",))
    curate(os.fspath(manifest.parent / "in"), out, config(), engine="in-process")
    clips = pd.read_parquet(manifest / "clips")
    assert clips["length"].tolist() == (2 * clips["num_frames"]).tolist()


def test_stranger_s_captioner_is_remembered(manifest: Path) -> None:
    out = os.fspath(manifest)
    run_caption(out, captioner=WORDS, engine="in-process")
    run_filter("sharpness", out, engine="in-process")
    clips = pd.read_parquet(manifest / "clips")
    assert set(clips["captioner"]) == {"length_words"}
    assert clips["caption"].tolist() == [f"A clip of {count} frames." for count in clips["num_frames"]]


def test_new_kind_of_measurement_is_one_class(manifest: Path, tmp_path: Path) -> None:
    kinds = [f"{strangers.__name__}:{name}" for name in ("FlickerMeasurement", "WordsMeasurement")]
    whole = functools.reduce(lambda recipe, kind: with_scorer(recipe, scorer_named(kind)), kinds, config())
    curate(os.fspath(tmp_path / "in"), os.fspath(tmp_path / "whole"), whole, engine="in-process")
    for kind in kinds:
        run_filter(kind, os.fspath(manifest), engine="in-process")
    alone, together = (pd.read_parquet(out / "clips") for out in (manifest, tmp_path / "whole"))
    pd.testing.assert_frame_equal(alone[together.columns], together)
    assert (alone["flicker"] > 0).all()
    assert alone["words"].tolist() == alone["caption"].str.split().str.len().tolist()
    decide(os.fspath(manifest), recipe=None, assignments=["rules.flicker.max=0", "rules.words.max=0"])
    assert {tuple(reasons) for reasons in pd.read_parquet(manifest / "clips")["reasons"]} == {("flicker:above_0.0",)}


def test_commands_that_do_not_name_a_stranger_import_none(manifest: Path) -> None:
    run_filter(STRANGER, os.fspath(manifest), engine="in-process")
    command = [sys.executable, "-m", "pipelines", "decide", os.fspath(manifest)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{STRANGER} is not part of this program" in done.stderr
    command = [sys.executable, "-m", "pipelines", "filter", STRANGER, os.fspath(manifest), "--engine", "local"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["nosuch", "towers", "base", "../motion", "towers.tower", ""])
def test_no_such_plug_in_lists_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="motion"):
        scorer_named(name)
    with pytest.raises(ValueError, match="attributes"):
        captioner_named(name)


def test_captioner_is_no_filter() -> None:
    with pytest.raises(ValueError, match="a column is named twice"):
        with_scorer(recipes.default(), scorer_named(WORDS))


@pytest.mark.parametrize("name", ["tests.pipelines.strangers:Nobody", "tests.pipelines.strangers:Path", ":"])
def test_no_such_class_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match=r"has no class|cannot be imported"):
        scorer_named(name)
