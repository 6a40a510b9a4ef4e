"""The dataset card: OUT loads as a dataset, and nothing that a stranger has named can do anything in it."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from filters.dominant_colors import DominantColorsScorer
from filters.motion import MotionScorer
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.recipe import recipes
from pipelines.report.card import MARK, fenced, plain
from preprocess.io.config_files import read_config
from preprocess.manifest import Manifest
from tests import videos

CONFIG = replace(
    recipes.default(), scorers=(MotionScorer(), DominantColorsScorer()), rules=(Range(column="motion", min=0.1),)
)
HOSTILE = "<script>alert(1)</script> [x](https://evil.example) ![i](x) `a` | b www.evil.example a@b.example &lt;"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    films = folder / "films <b>"
    films.mkdir()
    for name, said in (("a", HOSTILE), ("b", "CC0"), ("c", None)):
        videos.shots_video(films / f"{name}.mp4", seconds=(3 + len(name) + ord(name) % 3,), openings=("cut",))
        (films / f"{name}.json").write_text(json.dumps({"license": said, "url": f"https://host/{name}"}))
    (films / "prose.mp4").write_text("no video")
    curate(os.fspath(films), os.fspath(folder / "out"), CONFIG, engine="in-process")
    return folder


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "out", tmp_path / "out"))


def card(out: Path) -> str:
    return (out / "README.md").read_text(encoding="utf-8")


def test_it_names_what_loads_and_tells_numbers_reasons_and_licenses(out: Path) -> None:
    _, front, text = card(out).split("---\n", 2)
    said = yaml.safe_load(front)
    assert {each["config_name"]: each["data_files"] for each in said["configs"]} == {
        "clips": "clips/*.parquet",
        "sources": "sources/*.parquet",
    }
    clips = pd.read_parquet(out / "clips")
    assert f"{(clips['status'] == 'kept').sum()} of {len(clips)} clips are kept" in text
    assert "| CC0 | 1 |" in text
    assert "| *not said* | 1 |" in text
    assert "| motion | double | &#37; of the longer side per s |".replace("&#37;", "%") in text
    assert main(["decide", os.fspath(out), "--set", "rules.motion.min=1000"]) == 0
    assert re.search(rf"\| motion&#58;below_1000.0 \| {len(clips)} \| .* \| {len(clips)} \|", card(out))


def test_its_recipe_makes_the_same_manifest_again(out: Path, tmp_path: Path) -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", card(out), re.DOTALL)
    (tmp_path / "recipe.toml").write_text(toml)
    from pipelines.recipe.config import CurateConfig

    assert read_config(tmp_path / "recipe.toml", CurateConfig) == CONFIG


def test_hostile_names_are_text(out: Path) -> None:
    html = MarkdownIt("commonmark").enable("table").render(card(out).split("---\n", 2)[2])
    tags = set(re.findall(r"<\s*/?([a-zA-Z0-9]+)", html))
    assert tags <= {
        *("h1", "h2", "p", "pre", "code", "em", "table", "thead", "tbody", "tr", "th", "td"),
        *("details", "summary"),
    }
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(r"https?://|www\.", re.sub(r"```.*?```", "", card(out), flags=re.DOTALL))


def test_a_text_in_one_line_is_shown_as_it_is() -> None:
    assert MarkdownIt("commonmark").renderInline(plain('a\n"<>&`*_[]()|\\~$#@:\u202e\ud800é')) == (
        "a &quot;&lt;&gt;&amp;`*_[]()|\\~$#@:??é"
    )


def test_no_text_ends_a_block_of_code() -> None:
    assert MarkdownIt("commonmark").render("\n".join(fenced("a\n```\n````x\n# b", "toml"))).count("<pre>") == 1
    assert "<h1>" not in MarkdownIt("commonmark").render("\n".join(fenced("a\n```\n````x\n# b", "toml")))


def test_a_card_of_the_users_own_stays(out: Path) -> None:
    (out / "README.md").write_text(card(out).replace(f"{MARK}\n", "") + "mine")
    before = card(out)
    assert main(["report", os.fspath(out)]) == 0
    assert card(out) == before


def test_it_loads_by_the_library_that_hubs_use(out: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    expected, sources = pd.read_parquet(out / "clips"), pd.read_parquet(out / "sources")
    loaded = datasets.load_dataset(os.fspath(out), cache_dir=os.fspath(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    clips = loaded["train"]
    assert clips["clip_id"][:] == expected["clip_id"].tolist()
    assert clips[0]["dominant_colors"] == list(expected["dominant_colors"][0])
    assert clips[0]["url"].startswith("https://host/")
    of_sources = datasets.load_dataset(
        os.fspath(out), "sources", split="train", cache_dir=os.fspath(tmp_path / "cache")
    )
    assert of_sources["uri"][:] == sources["uri"].tolist()
    modified = [value.timestamp() for value in of_sources["modified"]]
    assert modified == pytest.approx([os.stat(uri).st_mtime for uri in sources["uri"]])


def test_other_readers_of_tables_read_them(out: Path) -> None:
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    expected = pd.read_parquet(out / "clips")
    assert polars.read_parquet(out / "clips" / "*.parquet")["clip_id"].to_list() == expected["clip_id"].tolist()
    rows = duckdb.sql(
        f"select clip_id, dominant_colors[1] from '{out}/clips/*.parquet' where status = 'kept'"
    ).fetchall()
    kept = expected[expected["status"] == "kept"]
    assert rows == [(row.clip_id, row.dominant_colors[0]) for row in kept.itertuples()]
    assert duckdb.sql(f"select count(modified) from '{out}/sources/*.parquet'").fetchall() == [(4,)]
    assert Manifest(os.fspath(out)).clips() is not None
