"""The served page in a headless Chromium: it counts and finds as `decide` and the table do, and takes words by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from selenium.webdriver import ActionChains, Keys

from pipelines.decide import decide
from pipelines.dry_run import dry_run
from pipelines.verdicts import Word, store
from preprocess.io.tables import write_table
from tests import videos
from tests.browser import Browser, open_browser
from tests.pipelines.serve.test_server import served
from tests.pipelines.test_page import choose, manifest, page_kept, run_command, waited

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def visit(browser: Browser, address: str) -> None:
    browser.driver.get("about:blank")
    browser.driver.get_log("browser")
    browser.driver.get_log("performance")
    browser.driver.get(address)
    settled(browser)


def settled(browser: Browser) -> None:
    """All that was asked is answered."""
    waited(lambda: browser.run("document.documentElement.dataset.ready === ''"))
    waited(lambda: browser.run("['judge', 'find', 'sources', 'one source'].every(kind => !latest(kind).under)"))


def write_film(path: Path) -> Path:
    videos.moving_texture(path, size=(160, 96), seconds=12)
    return path


def table(out: Path) -> pd.DataFrame:
    clips = pd.read_parquet(out / "clips").astype(object)
    return clips.where(clips.notna(), None).set_index("clip_id")


def test_all_that_happens_on_the_page_stays_between_it_and_its_server(browser: Browser, tmp_path: Path) -> None:
    """A bound is dragged, a film plays, words and notes are said by keyboard alone; the console says nothing."""
    out = tmp_path / "it's <out>"
    manifest(out, 4, (write_film(tmp_path / "a & b #1?.mp4"), write_film(tmp_path / "<b>c.mp4")))
    ids = table(out).index.tolist()
    jpeg = cv2.imencode(".jpg", np.full((96, 480, 3), 90, np.uint8))[1].tobytes()
    write_table(os.fspath(out / "previews" / "a.parquet"), pa.table({"clip_id": ids, "jpeg": [jpeg] * 4}))
    browser.resize(1200)
    with served(out) as address:
        visit(browser, address)
        browser.run("change({status: 'all'})")
        settled(browser)
        browser.run("document.querySelector('.card').scrollIntoView()")
        browser.one(".card button").send_keys(Keys.TAB)
        playing = "[...document.querySelectorAll('.card video')].some(v => v.currentTime > 0 && v.readyState > 2)"
        waited(lambda: browser.run(playing))
        first = browser.run("document.querySelector('.card video').currentTime")
        waited(lambda: browser.run("document.querySelector('.card video')?.currentTime ?? null") not in (first, None))
        browser.one(".card button").send_keys(Keys.ENTER)
        waited(lambda: browser.one("dialog").is_displayed())
        clip_id = browser.run("state.clip")
        waited(lambda: browser.run("document.querySelector('dialog video').currentTime > 0"))
        browser.one("dialog").send_keys("d")
        waited(lambda: browser.run("document.getElementById('said').textContent") == "Saved.")
        playing = browser.run("document.querySelector('dialog video').currentTime")
        assert playing > 0
        browser.one("dialog").send_keys("t")
        ActionChains(browser.driver).send_keys("sea, <script>alert(1)</script>", Keys.ENTER).perform()
        browser.one("dialog").send_keys("n")
        ActionChains(browser.driver).send_keys("kdu", Keys.ESCAPE).perform()
        waited(lambda: "verdict" in table(out) and table(out).note[clip_id] == "kdu")
        row = table(out).loc[clip_id]
        assert (row.verdict, row.status, next(iter(row.reasons))) == ("drop", "rejected", "verdict:drop")
        assert list(row.tags) == ["sea", "<script>alert(1)</script>"]
        assert browser.one("dialog").is_displayed()
        asked = {url.partition("#")[0] for url in browser.requests() if not url.startswith("data:")}
        assert all(url.startswith(address) for url in asked)
        assert {url.removeprefix(address).partition("/")[0].partition("?")[0] for url in asked} >= {
            "",
            "film",
            "say",
            "find",
        }
        assert browser.driver.get_log("browser") == []


def test_a_drag_counts_what_decide_would_and_the_command_makes_it_so(browser: Browser, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest(out)
    browser.resize(1200)
    with served(out) as address:
        visit(browser, address)
        choose(browser, "motion")
        drag = ActionChains(browser.driver).click_and_hold(browser.one("[data-end=min]")).move_by_offset(120, 0)
        drag.pause(0.1).move_by_offset(40, 0).release().perform()
        choose(browser, "text_area")
        browser.one("#bound-max").send_keys(Keys.CONTROL, "a")
        browser.one("#bound-max").send_keys("p70", Keys.ENTER)
        waited(lambda: browser.one("#command").text.count("--set") == 2)
        settled(browser)
        line = browser.one("#command").text
        sets = [word for word in line.split() if word.startswith("rules.")]
        told = dry_run(os.fspath(out), recipe=None, assignments=sets)
        waited(lambda: browser.one("#would-keep").text.startswith(f"{told.kept.after.clips} clips, "))
        assert told.kept.after.clips != told.kept.before.clips
        assert browser.run("judged(state.bounds).told.kept[0]") == told.kept.after.clips
        waited(lambda: browser.one("[data-count=together]").text.startswith(f"{told.kept.after.clips} clips, "))
        browser.run("change({status: 'changed'})")
        settled(browser)
        assert browser.run("foundAll.clips") == told.lost.clips + told.won.clips
        assert run_command(line) == 0
        visit(browser, address)
        assert browser.one("h1").text.startswith(f"{told.kept.after.clips} of ")
        assert browser.driver.get_log("browser") == []


def test_of_more_clips_than_the_page_holds_all_are_counted_and_found(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of lists, sources and single clips come from the server; nothing is scaled from a sample."""
    monkeypatch.setattr("pipelines.report.tally.PAGE_CLIPS", 500)
    out = tmp_path / "out"
    manifest(out, 3000)
    clips = table(out)
    with served(out) as address:
        visit(browser, address)
        assert browser.run("clips.fair") == 500
        assert "sample" not in browser.one("#explore .note").text
        choose(browser, "visual_quality")
        browser.one("#bound-min").send_keys(Keys.CONTROL, "a")
        browser.one("#bound-min").send_keys("0.6", Keys.ENTER)
        settled(browser)
        told = dry_run(os.fspath(out), recipe=None, assignments=["rules.visual_quality.min=0.6"])
        assert browser.one("#would-keep").text.startswith(f"{told.kept.after.clips:,} clips, ")
        scores = clips.visual_quality.astype(float)
        for side, expected in (
            ("kept", sorted(scores[scores >= 0.6])[:4]),
            ("lost", sorted(scores[scores < 0.6])[-1:-5:-1]),
        ):
            shown = (
                f"[...document.querySelectorAll('.{side}-side [data-row]')]"
                ".map(card => scores('visual_quality')[card.dataset.row])"
            )
            assert browser.run(shown) == expected
        browser.run("change({...fresh(), sort: 'contrast'})")
        settled(browser)
        for _ in range(2):
            browser.run("more()")
            waited(lambda: browser.run("found.length === document.querySelectorAll('.card').length"))
        expected = clips.contrast.astype(float).sort_values(ascending=False)[:120]
        assert browser.run("found.map(row => scores('contrast')[row])") == expected.tolist()
        assert "of 3,000 clips" in browser.one("#shown").text
        browser.one("#find-source").send_keys("FILM 3")
        waited(lambda: len(browser.all("[data-source]")) == 1)
        browser.run("document.querySelector('[data-source]').click()")
        settled(browser)
        of = clips[(clips.source_uri == "/nowhere/film 3.mp4") & (clips.kind == "video")]
        waited(lambda: len(browser.all(".pieces li:not(.gap)")) == len(of))
        elsewhere = next(each for each in clips.index if not browser.run(f"rowOf.has('{each}')"))
        visit(browser, f"{address}#clip={elsewhere}")
        waited(lambda: browser.one("dialog").is_displayed())
        assert browser.one("dialog h3").text == clips.source_uri[elsewhere]
        assert browser.driver.get_log("browser") == []


def test_words_by_keyboard_on_cards_outlive_the_page_and_bounds(browser: Browser, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest(out, 60)
    browser.resize(1200)
    with served(out) as address:
        visit(browser, f"{address}#status=rejected")
        card = browser.one(".card")
        clip_id = card.get_attribute("data-id")
        damaged = [each for each in table(out).index if table(out).damaged[each]]
        if clip_id in damaged:
            clip_id = next(each for each in browser.run("found.map(row => clips.id[row])") if each not in damaged)
        before = browser.run("totals.kept")
        browser.one(f".card[data-id='{clip_id}'] button").send_keys("k")
        waited(lambda: browser.run("totals.kept") == before + 1)
        assert browser.run(f"document.querySelector(\".card[data-id='{clip_id}']\").contains(document.activeElement)")
        assert browser.one(f".card[data-id='{clip_id}'] .by-hand").text == "kept by hand"
        assert browser.one("h1").text.startswith(f"{before + 1} of ")
        browser.driver.refresh()
        settled(browser)
        assert browser.run("totals.kept") == before + 1
        browser.run("change({...fresh(), status: 'keep'})")
        settled(browser)
        assert browser.run("found.map(row => clips.id[row])") == [clip_id]
        waited(lambda: "verdict" in table(out))
        waited(lambda: decided(out, "rules.visual_quality.min=0.99"))
        assert table(out).status[clip_id] == "kept"
        visit(browser, address)
        assert browser.run("foundAll.clips") == 60
        browser.run(f"openClip(rowOf.get('{clip_id}'), found)")
        pressed = "document.querySelector('[data-say=keep]').getAttribute('aria-pressed')"
        assert browser.run(pressed) == "true"
        browser.one("[data-say=keep]").click()
        waited(lambda: browser.run(pressed) == "false")
        waited(lambda: table(out).verdict[clip_id] is None)
        assert browser.driver.get_log("browser") == []


def decided(out: Path, bound: str) -> bool:
    """False while the server has the manifest."""
    try:
        decide(os.fspath(out), recipe=None, assignments=[bound])
    except ValueError as error:
        if "in use by another run" not in str(error):
            raise
        return False
    return True


def test_a_killed_server_has_kept_what_was_said_and_the_page_says_that_it_is_gone(
    browser: Browser, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    manifest(out, 60)
    command = [sys.executable, "-m", "pipelines", "serve", os.fspath(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        visit(browser, f"{address}#status=kept")
        clip_id = browser.one(".card").get_attribute("data-id")
        browser.one(".card button").send_keys("d")
        waited(lambda: browser.run("totals.drop === 1"))
        process.kill()
    browser.run("change({q: 'something'})")
    waited(lambda: browser.one("#trouble").is_displayed())
    assert "does not answer" in browser.one("#trouble").text
    waited(lambda: decided(out, "rules.one_shot.min=0.1"))
    assert (table(out).verdict[clip_id], table(out).status[clip_id]) == ("drop", "rejected")
    browser.driver.get("about:blank")


def test_all_that_takes_the_focus_says_what_it_is(browser: Browser, tmp_path: Path) -> None:
    manifest(tmp_path / "out", 60)
    with served(tmp_path / "out") as address:
        visit(browser, address)
        browser.run("openClip(found[0], found)")
        nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    focusable = [
        node
        for node in nodes
        if any(each["name"] == "focusable" and each["value"]["value"] for each in node.get("properties", ()))
        and node["role"]["value"] != "RootWebArea"
    ]
    assert [node["role"]["value"] for node in focusable if not node.get("name", {}).get("value")] == []
    ids = browser.run("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(set(ids)) == len(ids)


def test_the_page_in_one_file_counts_and_shows_what_was_said_and_asks_nobody(browser: Browser, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = manifest(out, 200)
    ids = table(out).index.tolist()
    store(made.location, Word(clip_ids=ids[:20], values={"verdict": "keep", "tags": ["sea"], "note": "<b>fine</b>"}))
    store(made.location, Word(clip_ids=ids[20:30], values={"verdict": "drop"}))
    decide(made.location, recipe=None, assignments=[])
    browser.open(out / "report.html")
    kept = set(table(out).query("status == 'kept'").index)
    assert page_kept(browser) == kept
    browser.run("change({bounds: withBounds('visual_quality', [0.9, null])})")
    told = dry_run(made.location, recipe=None, assignments=["rules.visual_quality.min=0.9"])
    assert len(page_kept(browser)) == told.kept.after.clips < len(kept)
    browser.run("change({...fresh(), status: 'keep'})")
    assert set(browser.run("found.map(row => clips.id[row])")) == set(ids[:20])
    assert browser.one(".card .by-hand").text.split("\n") == ["kept by hand", "sea", "<b>fine</b>"]
    browser.run("openClip(found[0], found)")
    assert browser.all("[data-say]") == []
    assert browser.driver.get_log("browser") == []
    assert [url for url in browser.requests() if url.startswith("http")] == []
