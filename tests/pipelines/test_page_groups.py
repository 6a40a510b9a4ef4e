"""Duplicates on the page: a card names the clip that stands for it, a filter finds a group, a clip's view shows all."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.report.write import write_report
from preprocess.manifest import Manifest
from tests.browser import open_browser
from tests.pipelines.test_page import manifest

GROUPS = (("first <i>", (3, 10, 17)), ("second", (5, 6)))
"""Rows of a group, the best one first."""
ELSEWHERE = 20
OTHER = "/data/evaluation <script>window.harmed=1</script>"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_groups(tmp_path_factory.mktemp("groups") / "out")


def with_groups(place: Path) -> Path:
    """A manifest of sixty clips, with the columns of `dedup`, and its page."""
    manifest(place, 60)
    clips = pq.read_table(place / "clips")
    ids = clips["clip_id"].to_pylist()
    columns: dict[str, list[str | None]] = {
        name: [None] * len(ids) for name in ("duplicate_group", "duplicate_of", "duplicate_in")
    }
    for name, rows in GROUPS:
        for row in rows:
            columns["duplicate_group"][row] = name
            columns["duplicate_of"][row] = ids[rows[0]] if row != rows[0] else None
    columns["duplicate_of"][ELSEWHERE], columns["duplicate_in"][ELSEWHERE] = "held out", OTHER
    for name, values in columns.items():
        clips = clips.append_column(name, pa.array(values, pa.string()))
    status = ["rejected" if of else "kept" for of in columns["duplicate_of"]]
    reasons = [["duplicate_of:better_clip"] if of else [] for of in columns["duplicate_of"]]
    for name, some in (("status", status), ("reasons", reasons)):
        at = clips.schema.get_field_index(name)
        clips = clips.set_column(at, clips.schema.field(at), pa.array(some, clips.schema.field(at).type))
    made = Manifest(os.fspath(place))
    made.replace_clips(clips, {})
    write_report(made)
    return place


def table_of(out: Path) -> pd.DataFrame:
    return pq.read_table(out / "clips").to_pandas()


@pytest.mark.slow
def test_a_card_names_the_clip_that_stands_for_it_and_leads_there(browser, out) -> None:
    table = table_of(out)
    browser.open(out / "report.html")
    copy, best = table.clip_id[10], table.clip_id[3]
    browser.run("change({status: 'rejected'})")
    card = browser.one(f".card[data-id='{copy}'] .repeats")
    assert card.text.startswith("Duplicate of film 3.mp4")
    assert "3 clips alike" in card.text
    card.find_element("css selector", "[data-best]").click()
    assert browser.run("state.clip") == best
    assert browser.one("#clip").is_displayed()
    other = browser.one(f".card[data-id='{table.clip_id[ELSEWHERE]}'] .repeats").get_property("textContent")
    assert other == f"Duplicate of held out in {OTHER}"
    assert browser.run("document.querySelectorAll('.repeats').length") == 5
    assert browser.run("window.harmed === undefined")
    assert browser.console_errors() == []


@pytest.mark.slow
def test_the_filter_finds_duplicates_and_one_group(browser, out) -> None:
    table = table_of(out)

    def found() -> set[str]:
        return set(browser.run("found.map(row => clips.id[row])"))

    browser.open(out / "report.html")
    browser.one("#group option[value=any]").click()
    assert found() == set(table.clip_id[table.duplicate_group.notna() | table.duplicate_of.notna()])
    browser.one("#group option[value=repeats]").click()
    assert found() == set(table.clip_id[table.duplicate_of.notna()])
    browser.run(f"document.querySelector(\".card[data-id='{table.clip_id[17]}'] .repeats .link:last-child\").click()")
    assert found() == {table.clip_id[row] for row in GROUPS[0][1]}
    assert browser.run("new URLSearchParams(location.hash.slice(1)).get('group')") == GROUPS[0][0]
    browser.driver.refresh()
    assert found() == {table.clip_id[row] for row in GROUPS[0][1]}
    browser.run("document.querySelector('.chip').click()")
    assert found() == set(table.clip_id)
    assert browser.console_errors() == []


@pytest.mark.slow
def test_a_clip_is_shown_beside_those_it_repeats(browser, out) -> None:
    table = table_of(out)
    browser.open(out / "report.html")
    browser.run(f"change({{clip: '{table.clip_id[17]}'}})")
    shown = browser.run("[...document.querySelectorAll('.alike > ul > li')].map(one => one.dataset.id)")
    assert shown[0] == table.clip_id[3]
    assert set(shown) == {table.clip_id[row] for row in GROUPS[0][1]}
    assert browser.run("document.querySelector('.alike [aria-current]').dataset.id") == table.clip_id[17]
    left = "one => one.getBoundingClientRect().left"
    lefts = browser.run(f"[...document.querySelectorAll('.alike > ul > li')].map({left})")
    assert len(set(lefts)) == 3
    browser.run("document.querySelector('.alike button').click()")
    assert browser.run("state.clip") == table.clip_id[3]
    assert browser.one("#clip nav span").text == "1 of 3"
    browser.run(f"change({{clip: '{table.clip_id[0]}'}})")
    assert browser.all(".alike, #clip .repeats") == []
    assert browser.console_errors() == []


@pytest.mark.slow
def test_where_dedup_never_ran_nothing_speaks_of_it(browser, tmp_path) -> None:
    manifest(tmp_path / "out", 10)
    browser.open(tmp_path / "out" / "report.html")
    assert browser.all("#group, .repeats, .alike") == []
    assert browser.console_errors() == []
