"""The page as its reader has it, in a headless Chromium: it counts what `decide` makes, and finds all clips."""

from __future__ import annotations

import os
import re
import shlex
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Keys

from filters.rules import Range
from pipelines.__main__ import main
from pipelines.clips.decisions import reasons_against
from pipelines.recipe import recipes
from pipelines.recipe.recorded import run_of
from pipelines.report import page
from pipelines.report.write import film_address, write_report
from preprocess.io.tables import write_table
from preprocess.manifest import Manifest
from preprocess.schema import SOURCE_SCHEMA, clip_schema
from tests import videos
from tests.browser import open_browser
from tests.pipelines.test_report import EMPTY, HOSTILE, RUN, clips_table, gallery_clip_ids, render_report, sources_table

CONFIG = replace(
    recipes.default(), rules=(*recipes.default().rules, Range(column="has_audio", min=1), Range(column="contrast"))
)


def manifest(out: Path, count: int = 400, films: tuple[Path, ...] = ()) -> Manifest:
    """A manifest of clips with scores of all kinds: infinities, nulls, float32, booleans, pictures, damage."""
    draw, schema = np.random.default_rng(3), clip_schema(CONFIG.columns)
    uris = [os.fspath(film) for film in films] or [f"/nowhere/film {number}.mp4" for number in range(20)]
    start = np.arange(count) // len(uris) * 5.0
    seconds = draw.uniform(2, 11, count) if not films else np.full(count, 2.0)
    values = {
        "clip_id": [f"{draw.integers(2**62):032x}" for _ in range(count)],
        "source_uri": [uris[i % len(uris)] for i in range(count)],
        "kind": draw.choice(["video", "picture"], count, p=[0.95, 0.05]) if not films else ["video"] * count,
        "start_seconds": start,
        "end_seconds": start + seconds,
        "duration_seconds": seconds,
        "short_side": np.full(count, 720),
        "width": np.full(count, 1280),
        "height": np.full(count, 720),
        "has_audio": draw.random(count) < 0.9,
        "damaged": draw.random(count) < 0.03,
        "motion": draw.choice([0.1, 0.3, np.inf, 60.0], count) * draw.choice([1.0, 2.0, 7.3], count),
        "text_area": np.where(draw.random(count) < 0.6, 0.0, draw.exponential(0.02, count)),
        "visual_quality": draw.beta(6, 3, count),
        "one_shot": draw.uniform(0.65, 1, count),
        "contrast": draw.normal(50, 15, count),
        "black_fraction": np.zeros(count),
        "freeze_fraction": np.zeros(count),
        "caption": [f"a film of number {i}, <script>window.harmed=1</script>" for i in range(count)],
    }
    missing = {name: draw.random(count) < 0.05 for name in ("motion", "text_area", "contrast")}
    arrays = [
        pa.array(values[field.name], field.type, mask=missing.get(field.name), from_pandas=True)
        if field.name in values
        else pa.nulls(count, field.type)
        for field in schema
    ]
    clips = pa.Table.from_arrays(arrays, schema=schema)
    place = clips.schema.get_field_index("motion")
    clips = clips.set_column(place, pa.field("motion", pa.float32()), clips["motion"].cast(pa.float32()))
    reasons = reasons_against(CONFIG, clips)
    status = pa.array(["rejected" if listed else "kept" for listed in reasons.to_pylist()])
    for name, column in (("status", status), ("reasons", reasons)):
        clips = clips.set_column(clips.schema.get_field_index(name), name, column)
    made = Manifest(os.fspath(out))
    made.replace_clips(clips, {})
    made.write_run(run_of(CONFIG))
    told = {
        "uri": uris,
        "status": ["ok"] * len(uris),
        "duration_seconds": [200.0] * len(uris),
        "fps": [25.0] * len(uris),
    }
    sources = [pa.array(told[f.name], f.type) if f.name in told else pa.nulls(len(uris), f.type) for f in SOURCE_SCHEMA]
    write_table(os.fspath(out / "sources" / "sources.parquet"), pa.Table.from_arrays(sources, schema=SOURCE_SCHEMA))
    write_report(made)
    return made


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


def write_page(tmp_path, clips: pd.DataFrame, sources: pd.DataFrame, run=RUN):
    strip = cv2.imencode(".jpg", np.full((90, 480, 3), 128, dtype=np.uint8))[1].tobytes()
    page = tmp_path / "report.html"
    page.write_text(render_report(clips, sources, dict.fromkeys(gallery_clip_ids(clips), strip), run), encoding="utf-8")
    return page


def kept_ids(out: Path) -> set[str]:
    table = pq.read_table(out / "clips", columns=["clip_id", "status"])
    return {
        clip for clip, status in zip(*(column.to_pylist() for column in table.columns), strict=True) if status == "kept"
    }


def page_kept(browser) -> set[str]:
    return set(browser.run("clips.id.filter((id, row) => judged(boundsNow()).against[row] === 0)"))


def run_command(line: str) -> int:
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "pipelines"]
    return main(words[3:])


def choose(browser, column: str) -> None:
    row = browser.one(f"#rules [data-column={column}]")
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", row)
    row.click()


@pytest.mark.slow
def test_what_the_page_counts_is_what_the_copied_command_makes(browser, tmp_path) -> None:
    out = tmp_path / "it's <out>"
    manifest(out)
    before = kept_ids(out)
    browser.resize(1200)
    browser.open(out / "report.html")
    assert page_kept(browser) == before
    choose(browser, "motion")
    handle = browser.one("[data-end=min]")
    drag = ActionChains(browser.driver).click_and_hold(handle).move_by_offset(120, 0)
    drag.pause(0.1).perform()
    assert browser.one("#would-keep").text != ""
    drag = ActionChains(browser.driver).move_by_offset(40, 0).release()
    drag.perform()
    choose(browser, "text_area")
    browser.one("#bound-max").send_keys(Keys.CONTROL, "a")
    browser.one("#bound-max").send_keys("p70", Keys.ENTER)
    choose(browser, "duration_seconds")
    browser.one("[data-end=max]").send_keys(Keys.DELETE)
    choose(browser, "contrast")
    browser.one("[data-end=min]").send_keys(Keys.ARROW_RIGHT * 20)
    choose(browser, "has_audio")
    browser.one("[data-end=min]").send_keys(Keys.HOME)
    kept, line = page_kept(browser), browser.one("#command").text
    assert kept != before
    said = browser.one("#would-keep").text
    assert said.startswith(f"{len(kept)} clips, ")
    assert line.count("--set") == 5
    browser.run("change({status: 'changed'})")
    assert set(browser.run("found.map(row => clips.id[row])")) == before ^ kept
    assert browser.console_errors() == []
    assert run_command(line) == 0
    assert kept_ids(out) == kept
    browser.open(out / "report.html")
    assert page_kept(browser) == kept
    assert browser.one("h1").text.startswith(f"{len(kept)} of ")
    seconds = pq.read_table(out / "clips").to_pandas().query("status == 'kept'").duration_seconds.sum()
    assert said.endswith(browser.run(f"play({seconds})"))


@pytest.mark.slow
def test_any_bounds_together_keep_what_the_rules_do(browser, tmp_path) -> None:
    out, draw = tmp_path / "out", np.random.default_rng(5)
    manifest(out)
    clips = pq.read_table(out / "clips")
    ids = np.array(clips["clip_id"].to_pylist())
    browser.open(out / "report.html")
    columns = (
        "duration_seconds",
        "motion",
        "visual_quality",
        "one_shot",
        "text_area",
        "contrast",
        "has_audio",
        "short_side",
    )
    kept_some = 0
    for _ in range(40):
        rules = []
        for column in draw.choice(columns, draw.integers(1, 5), replace=False):
            values = np.sort(clips[column].cast(pa.float64(), safe=False).drop_null().to_numpy())
            low, high = np.sort(values[np.sort(draw.integers(0, len(values), 2))] + draw.choice([0, 0, 1e-9, -0.01]))
            low, high = (float(end) if np.isfinite(end) else None for end in (low, high))
            rules.append(Range(column=str(column), min=low, max=None if draw.random() < 0.5 else high))
        expected = set(ids[reasons_against(replace(CONFIG, rules=tuple(rules)), clips).value_lengths().to_numpy() == 0])
        script = (
            "const {against} = judged(new Map(arguments[0])); return clips.id.filter((id, row) => against[row] === 0)"
        )
        pairs = [[rule.column, [rule.min, rule.max]] for rule in rules]
        assert set(browser.driver.execute_script(script, pairs)) == expected
        kept_some += bool(expected)
    assert kept_some > 10


@pytest.mark.slow
def test_bounds_at_a_value_of_float32_are_compared_as_the_rules_do(browser, tmp_path) -> None:
    manifest(tmp_path / "out")
    browser.open(tmp_path / "out" / "report.html")
    choose(browser, "motion")
    for text in ("0.3", "0.30000001192092896", "2.19", "438"):
        browser.one("#bound-min").send_keys(Keys.CONTROL, "a")
        browser.one("#bound-min").send_keys(text, Keys.ENTER)
        if text == "438":
            assert "not above 60" in browser.one("#bound-help").text
            continue
        kept = page_kept(browser)
        assert run_command(browser.one("#command").text) == 0
        assert kept_ids(tmp_path / "out") == kept


@pytest.mark.slow
def test_a_change_is_undone_by_button_keys_and_the_way_back(browser, tmp_path) -> None:
    manifest(tmp_path / "out")
    browser.open(tmp_path / "out" / "report.html")
    choose(browser, "visual_quality")
    first = page_kept(browser)
    for _ in range(2):
        browser.one("[data-end=min]").send_keys(Keys.PAGE_UP)
    second = page_kept(browser)
    assert second < first
    browser.one("#undo").click()
    between = page_kept(browser)
    assert second < between < first
    browser.one("[data-end=min]").send_keys(Keys.CONTROL, "z")
    assert page_kept(browser) == first
    assert browser.one("#command").text == ""
    browser.driver.back()
    assert page_kept(browser) == between
    browser.driver.forward()
    assert page_kept(browser) == first
    browser.one("[data-end=min]").send_keys(Keys.PAGE_UP)
    here = browser.driver.current_url
    browser.driver.get("about:blank")
    browser.driver.get(here)
    assert page_kept(browser) == between
    browser.one("#over").click()
    assert page_kept(browser) == first
    assert browser.console_errors() == []


@pytest.mark.slow
def test_the_clips_at_a_bound_are_the_nearest_on_both_sides(browser, tmp_path) -> None:
    manifest(tmp_path / "out")
    browser.open(tmp_path / "out" / "report.html")
    choose(browser, "visual_quality")
    browser.one("#bound-min").send_keys(Keys.CONTROL, "a")
    browser.one("#bound-min").send_keys("0.6", Keys.ENTER)
    scores = pq.read_table(tmp_path / "out" / "clips")["visual_quality"].to_numpy()
    shown = {
        side: browser.run(
            f"[...document.querySelectorAll('.{side}-side [data-row]')]"
            ".map(card => scores('visual_quality')[card.dataset.row])"
        )
        for side in ("kept", "lost")
    }
    assert shown["kept"] == sorted(scores[scores >= 0.6])[:4]
    assert shown["lost"] == sorted(scores[scores < 0.6])[-1:-5:-1]


@pytest.mark.slow
def test_every_clip_is_found_by_words_source_reason_and_score(browser, tmp_path) -> None:
    manifest(tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "clips").to_pandas()
    browser.open(tmp_path / "out" / "report.html")

    def found() -> set[str]:
        return set(browser.run("found.map(row => clips.id[row])"))

    assert found() == set(table.clip_id)
    while browser.one("#more").is_displayed():
        browser.run("document.getElementById('more').click()")
    assert len(browser.all(".card")) == len(table)
    browser.one("#q").send_keys("NUMBER 321,")
    browser.driver.implicitly_wait(0)
    waited(lambda: found() == {table.clip_id[321]})
    assert "<script>" in browser.one(".card .caption").text
    browser.one("#q").clear()
    browser.one("#q").send_keys("film 7.mp4")
    waited(lambda: found() == set(table.clip_id[table.source_uri.str.endswith("7.mp4")]))
    browser.run("document.querySelector('.chip').click()")
    assert found() == set(table.clip_id)
    reason = next(reason for listed in table.reasons for reason in listed if reason.startswith("text_area:above"))
    browser.run(f"document.querySelector('[data-reason=\"{reason}\"]').click()")
    with_reason = table[table.reasons.map(lambda listed: reason in listed)]
    assert found() == set(with_reason.clip_id)
    browser.run("change({ranges: [['visual_quality', .5, null]]})")
    assert found() == set(with_reason.clip_id[with_reason.visual_quality >= 0.5])
    browser.one("#sort option[value=visual_quality]").click()
    shown = browser.run("found.map(row => scores('visual_quality')[row])")
    assert shown == sorted(shown, reverse=True)
    browser.one("#direction").click()
    assert browser.run("found.map(row => scores('visual_quality')[row])") == shown[::-1]
    browser.driver.back()
    browser.driver.back()
    assert found() == set(with_reason.clip_id[with_reason.visual_quality >= 0.5])
    for status in ("kept", "rejected"):
        browser.run(f"change({{...fresh(), status: '{status}'}})")
        assert found() == set(table.clip_id[table.status == status])
    assert browser.console_errors() == []


@pytest.mark.slow
def test_a_source_tells_its_clips_and_what_lies_in_none(browser, tmp_path) -> None:
    manifest(tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "clips").to_pandas().query("source_uri == '/nowhere/film 3.mp4'")
    browser.open(tmp_path / "out" / "report.html")
    browser.one("#find-source").send_keys("FILM 3")
    waited(lambda: len(browser.all("[data-source]")) == 1)
    browser.run("document.querySelector('[data-source]').click()")
    timed = table[table.kind != "picture"]
    assert len(browser.all(".pieces li:not(.gap)")) == len(timed)
    assert all("in no clip: " in gap.text for gap in browser.all(".pieces .gap"))
    assert len(browser.all("#source .film-line button")) == len(timed)
    browser.one(".pieces button").click()
    assert browser.one("dialog h3").text == "/nowhere/film 3.mp4"
    browser.one("dialog").send_keys(Keys.ARROW_RIGHT)
    assert browser.one("dialog nav span").text.startswith("2 of ")
    browser.driver.back()
    waited(lambda: not browser.one("dialog").is_displayed())
    assert browser.console_errors() == []


def waited(holds, seconds: float = 20) -> None:
    """Return as soon as it holds; what the page draws anew while one looks does not hold yet."""
    for _ in range(int(seconds / 0.05)):
        with suppress(StaleElementReferenceException):
            if holds():
                return
        time.sleep(0.05)
    assert holds()


@pytest.mark.slow
def test_page_opens_offline_and_runs_nothing_of_its_data(browser, tmp_path) -> None:
    clips = clips_table(60, HOSTILE).assign(text_area=0.0, **{"<b>score": 1.5, "dominant_colors": "#aabbcc <i>"})
    clips["status"], clips["reasons"] = "kept", None
    clips.loc[:9, "status"] = "failed"
    clips.at[0, "reasons"] = ['decode:"><img src=x onerror=window.harmed=1>']
    run = {**RUN, "source": "<img src=x onerror=window.harmed=1>", "versions": {"<u>": "<s>"}, "fingerprint": "</dl>"}
    page = write_page(tmp_path, clips, sources_table(HOSTILE), run)
    browser.open(page)
    browser.run("document.querySelector('[data-status=all]').click()")
    for _ in range(3):
        browser.run("document.getElementById('more').click()")
    browser.run("document.querySelector('.card button').click()")
    assert browser.console_errors() == []
    assert {url for url in browser.requests() if not url.startswith("data:")} == {page.as_uri()}
    assert browser.run("window.harmed === undefined")
    strange = "u, s, main i[onclick], dialog script, img:not([src^='data:image/jpeg'])"
    assert browser.run(f'document.querySelectorAll("{strange}").length') == 0
    text = browser.run("document.body.innerText")
    for shown in (
        HOSTILE[0],
        HOSTILE[1],
        HOSTILE[3],
        "two\u21b5lines.mp4",
        "evil[U+202E]4pm.exe",
        "<b>no video stream</b>",
    ):
        assert shown in text


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 800, 2200])
def test_no_name_breaks_the_layout(browser, tmp_path, width: int) -> None:
    browser.resize(width)
    browser.open(write_page(tmp_path, clips_table(60, HOSTILE), sources_table(HOSTILE), {**RUN, "source": "x" * 500}))
    browser.run("document.querySelector('.card button').click()")
    assert browser.run("document.documentElement.scrollWidth") <= width
    dialog = "document.querySelector('dialog')"
    assert browser.run(f"{dialog}.scrollWidth <= {dialog}.clientWidth")


@pytest.mark.slow
@pytest.mark.parametrize("clips", [EMPTY, clips_table(1), clips_table(1).assign(status="rejected", reasons=None)])
def test_page_of_next_to_nothing_draws(browser, tmp_path, clips: pd.DataFrame) -> None:
    browser.open(write_page(tmp_path, clips, EMPTY, {}))
    assert browser.console_errors() == []
    assert browser.one("h1").text


@pytest.mark.slow
def test_films_of_this_disk_move_and_nothing_else_is_asked_for(browser, tmp_path) -> None:
    films = [tmp_path / name for name in ("a & b #1?.mp4", "<b>c.mp4")]
    for film in films:
        videos.moving_texture(film, size=(160, 96), seconds=12)
    manifest(tmp_path / "out", 4, tuple(films))
    browser.resize(1200)
    browser.open(tmp_path / "out" / "report.html")
    browser.run("change({status: 'all'})")
    browser.run("document.querySelector('.card').scrollIntoView()")
    browser.one(".card button").send_keys(Keys.TAB)
    waited(
        lambda: browser.run(
            "[...document.querySelectorAll('.card video')].some(v => v.currentTime > 0 && v.readyState > 2)"
        )
    )
    first = browser.run("document.querySelector('.card video').currentTime")
    waited(lambda: browser.run("document.querySelector('.card video').currentTime") != first)
    allowed = {film_address(os.fspath(film)) for film in films} | {(tmp_path / "out" / "report.html").as_uri()}
    assert {url.partition("#")[0] for url in browser.requests() if not url.startswith("data:")} <= allowed
    assert browser.console_errors() == []


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/a.mp4",
        "https://host/a.mp4",
        "file://host/a.mp4",
        "//host/a.mp4",
        "/dev/zero",
        "a.mp4",
        "/",
        "file:///%00",
    ],
)
def test_only_files_of_this_disk_have_an_address(uri: str) -> None:
    assert film_address(uri) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "state", ["", "openClip(0, [0])", "change({bounds: new Map([['motion', [1, null]]]), q: 'film'})"]
)
def test_all_that_takes_the_focus_says_what_it_is(browser, tmp_path, state: str) -> None:
    manifest(tmp_path / "out", 60)
    browser.open(tmp_path / "out" / "report.html")
    if state:
        browser.run(state)
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    focusable = [
        node
        for node in nodes
        if any(each["name"] == "focusable" and each["value"]["value"] for each in node.get("properties", ()))
        and node["role"]["value"] != "RootWebArea"
    ]
    assert len(focusable) > 20 or "openClip" in state
    nameless = [node["role"]["value"] for node in focusable if not node.get("name", {}).get("value")]
    assert nameless == []
    ids = browser.run("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(set(ids)) == len(ids)


WASHES = (("lost-ink", "lost-wash"), ("kept", "kept-wash"), ("on-bar", "kept"), ("on-bar", "lost-bar"))


def test_text_stands_out_from_what_is_behind_it() -> None:
    """WCAG 2's contrast of 4.5 for each ink on each ground that it is used on, light and dark."""
    css = (Path(page.__file__).parent / "web" / "page.css").read_text()
    themes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    assert len(themes) == 2
    grounds = {
        **dict.fromkeys(("ink", "soft", "kept", "lost-ink"), ("paper", "raised", "faint")),
        "paper": ("ink",),
    }
    pairs = [(ink, ground) for ink, behind in grounds.items() for ground in behind]
    for theme in themes:
        for ink, ground in (*pairs, *WASHES):
            light, dark = sorted((_luminance(theme[ink]), _luminance(theme[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def _luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    shares = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.slow
def test_of_more_clips_than_travel_a_sample_stands_for_all_and_says_so(browser, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pipelines.report.tally.PAGE_CLIPS", 1500)
    out = tmp_path / "out"
    manifest(out, 6000)
    before = kept_ids(out)
    browser.open(out / "report.html")
    assert browser.run("clips.fair") == 1500
    assert "a fair sample" in browser.one("#explore .note").text
    assert round(browser.run("ownKept().clips")) == len(before)
    choose(browser, "visual_quality")
    browser.one("#bound-min").send_keys(Keys.CONTROL, "a")
    browser.one("#bound-min").send_keys("p40", Keys.ENTER)
    # A rule alone is counted in all clips, up to the bin that its bound cuts: here, none.
    edge = browser.run("axisOf('visual_quality').value(20 / axisOf('visual_quality').bins)")
    alone = f"keptAlone('visual_quality', judged(new Map([['visual_quality', [{edge!r}, null]]]))).clips"
    scores = pq.read_table(out / "clips")["visual_quality"].to_numpy()
    assert 1000 < round(browser.run(alone)) == (scores >= edge).sum()
    said = browser.run("keptBy(judged(state.bounds)).clips")
    assert browser.one("#would-keep").text.startswith("about ")
    assert run_command(browser.one("#command").text) == 0
    now = len(kept_ids(out))
    assert now < 0.8 * len(before)
    # The deviation of a share p of n is at most sqrt(1 / 4n): 4 of them, and of all 6000.
    assert abs(said - now) < 4 * 6000 * (1 / (4 * 1500)) ** 0.5
