"""Plug-ins by the names of their files, and from elsewhere only where the command line says so."""

from __future__ import annotations

import json
import os
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
from pipelines.recipe.config import CurateConfig, override
from pipelines.recipe.plugins import plug_ins, with_captioner, with_scorer
from tests import videos

STRANGER = "tests.pipelines.strangers:LengthScorer"
WORDS = "tests.pipelines.strangers:LengthCaptioner"


def config() -> CurateConfig:
    return override(recipes.default(), ["rules.short_side.min=none", "rules.text_area.max=none"])


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    videos.shots_video(tmp_path / "in" / "a.mp4", seconds=(4, 5), openings=("cut",) * 2)
    curate(os.fspath(tmp_path / "in"), os.fspath(tmp_path / "out"), config(), engine="local")
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
    run_filter("redness", os.fspath(manifest), engine="local")
    assert set(pd.read_parquet(manifest / "clips")["redness"]) == {1.0}
    decide(os.fspath(manifest), recipe=None, assignments=["rules.redness.min=2"])
    assert set(pd.read_parquet(manifest / "clips")["status"]) == {"rejected"}
    assert "a_broken" in plug_ins("filters", Measurement)[1]
    with pytest.raises(ValueError, match=r"no filter 'rednes'; .*redness.*a_broken cannot be imported: ModuleNotFound"):
        run_filter("rednes", os.fspath(manifest), engine="local")
    with pytest.raises(ValueError, match="a_broken cannot be imported: ModuleNotFoundError: No module named 'nosuchl"):
        run_filter("a_broken", os.fspath(manifest), engine="local")


def test_stranger_s_filter_is_remembered_and_imported_when_named(manifest: Path) -> None:
    out = os.fspath(manifest)
    run_filter(STRANGER, out, assignments=["scorers.length.times=2"], engine="local")
    clips = pd.read_parquet(manifest / "clips")
    assert clips["length"].tolist() == (2 * clips["num_frames"]).tolist()
    with pytest.raises(ValueError, match=rf"{STRANGER} is code from elsewhere; `--plug-in {STRANGER}`"):
        decide(out, recipe=None, assignments=[])
    decide(out, recipe=None, assignments=["rules.length.min=1000000"], plug_ins=[STRANGER])
    assert set(pd.read_parquet(manifest / "clips")["status"]) == {"rejected"}
    decide(out, recipe=None, assignments=["rules.length.min=none"], plug_ins=[STRANGER])
    videos.shots_video(manifest.parent / "in" / "b.mp4", seconds=(6,), openings=("cut",))
    curate(os.fspath(manifest.parent / "in"), out, config(), engine="local", plug_ins=[STRANGER])
    clips = pd.read_parquet(manifest / "clips")
    assert clips["length"].tolist() == (2 * clips["num_frames"]).tolist()


def test_stranger_s_captioner_is_remembered_and_imported_when_named(manifest: Path) -> None:
    out = os.fspath(manifest)
    run_caption(out, captioner=WORDS, engine="local")
    assert set(pd.read_parquet(manifest / "clips")["captioner"]) == {"length_words"}
    with pytest.raises(ValueError, match=f"`--plug-in {WORDS}`"):
        run_filter("sharpness", out, engine="local")
    run_caption(out, engine="local", plug_ins=[WORDS])


def test_run_json_alone_imports_nothing(manifest: Path) -> None:
    (manifest.parent / "evil.py").write_text("raise SystemExit('imported')")
    run = json.loads((manifest / "run.json").read_text())
    changed = run | {"added": ["evil"], "plug_ins": {"evil": "evil:Evil"}}
    (manifest / "run.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="evil:Evil is code from elsewhere"):
        decide(os.fspath(manifest), recipe=None, assignments=[])


@pytest.mark.parametrize("name", ["nosuch", "towers", "base", "../motion", "towers.tower", "", "tests:"])
def test_no_such_plug_in_lists_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="motion"):
        with_scorer(recipes.default(), name)
    with pytest.raises(ValueError, match="attributes"):
        with_captioner(recipes.default(), name)
