"""The page in a headless Chromium: prompt to playing video, progress, cancelling, bad input, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Keys
from selenium.webdriver.support.ui import Select

from tests.browser import Browser, open_browser
from tests.pipelines.test_page import waited
from tests.pipelines.test_page_axe import axe, faults, shown_in  # noqa: F401 - axe is a fixture
from tests.training.serve.client import served
from tests.training.serve.test_api import LONG, run  # noqa: F401 - a fixture
from training.film import write_film, write_picture

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)> a red circle"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def address(run: Path, tmp_path: Path) -> Iterator[str]:  # noqa: F811
    with served(run, out=tmp_path / "out", loras=run.parent / "loras") as at:
        yield at


def visit(browser: Browser, address: str) -> None:
    browser.driver.get("about:blank")
    browser.driver.get_log("browser")
    browser.driver.get_log("performance")
    browser.driver.get(address)
    waited(lambda: browser.run("document.documentElement.dataset.ready === ''"))


def write(browser: Browser, name: str, text: str) -> None:
    browser.one(f"#{name}").send_keys(Keys.CONTROL, "a")
    browser.one(f"#{name}").send_keys(text)


def ended(browser: Browser, count: int) -> None:
    waited(lambda: browser.run(f"jobs.length === {count} && jobs.every(job => ENDED.includes(job.state))"))


def test_from_a_prompt_to_a_playing_video_and_nobody_else_is_asked(browser: Browser, address: str) -> None:
    browser.resize(1200)
    visit(browser, address)
    write(browser, "prompt", HOSTILE)
    browser.one("#prompt").send_keys(Keys.CONTROL, Keys.ENTER)
    waited(lambda: browser.run("document.querySelector('#stage video')?.currentTime > 0"))
    first = browser.run("document.querySelector('#stage video').currentTime")
    waited(lambda: browser.run("document.querySelector('#stage video').currentTime") != first)
    assert browser.run("document.querySelector('#stage video').videoWidth") == 16
    assert browser.one("#stage .said").text == HOSTILE
    assert browser.one(".card .said").text == HOSTILE
    assert browser.run("byId('told').textContent") == f"done: {HOSTILE}"
    seed = browser.run("jobs[0].ask.seed")
    next(each for each in browser.all(".actions button") if each.text == "Use these settings").click()
    assert browser.run("Number(byId('seed').value)") == seed
    next(each for each in browser.all(".actions button") if each.text == "With another seed").click()
    ended(browser, 2)
    assert browser.run("jobs[0].ask.seed") != seed
    browser.driver.back()
    waited(
        lambda: browser.run("document.querySelector('[aria-current=true]') === document.querySelectorAll('.card')[1]")
    )
    browser.driver.refresh()
    waited(lambda: len(browser.all(".card")) == 2)
    next(each for each in browser.all(".actions button") if each.text == "Delete").click()
    waited(lambda: len(browser.all(".card")) == 1)
    asked = {url for url in browser.requests() if not url.startswith(("data:", "blob:"))}
    assert all(url.startswith(address) for url in asked), asked
    assert browser.driver.get_log("browser") == []


SLOW_TO_LOOK = """
window.quick = ask;
ask = async (method, place, body) => {
  const job = await quick(method, place, body);
  if (method !== "POST") return job;
  while (!ENDED.includes((await quick("GET", `jobs/${job.id}`)).state)) await new Promise(go => setTimeout(go, 20));
  return job;
};
"""
"""Of a page that looks again only when what it asked for has ended."""


def test_what_ends_before_the_page_looks_again_is_told(browser: Browser, address: str) -> None:
    visit(browser, address)
    browser.driver.execute_script(SLOW_TO_LOOK)
    write(browser, "prompt", HOSTILE)
    browser.one("#prompt").send_keys(Keys.CONTROL, Keys.ENTER)
    ended(browser, 1)
    assert browser.run("byId('told').textContent") == f"done: {HOSTILE}"


def test_progress_is_seen_and_cancelling_ends_it(browser: Browser, address: str) -> None:
    browser.resize(1200)
    visit(browser, address)
    write(browser, "prompt", "a blue circle")
    for field, value in (("frames", LONG["frames"]), ("width", LONG["width"]), ("height", LONG["height"])):
        write(browser, field, str(value))
    browser.one("#more summary").click()
    write(browser, "steps", "1000")
    browser.one("#make").click()
    waited(lambda: browser.run("document.getElementById('progress')?.value > 0"))
    before = browser.run("document.getElementById('progress')?.value")
    waited(lambda: browser.run(f"document.getElementById('progress')?.value > {before}"))
    assert browser.one("#eta").text.startswith("step ")
    assert " of 1000, about " in browser.one("#eta").text
    browser.one("#make").click()
    waited(lambda: browser.run("document.getElementById('share')?.textContent") == "Waiting")
    assert browser.one("#eta").text == "1 video before it"
    browser.one("#cancel").click()
    waited(lambda: browser.run("document.querySelector('#stage .blank')?.textContent") == "Cancelled.")
    browser.all(".card")[1].click()
    waited(lambda: browser.run("document.getElementById('progress')?.value > 0"))
    browser.one("#cancel").click()
    ended(browser, 2)
    assert browser.run("jobs.map(job => job.state)") == ["cancelled", "cancelled"]
    assert browser.driver.get_log("browser") == []


def test_pictures_films_and_a_look_are_taken_along(browser: Browser, address: str, tmp_path: Path) -> None:
    picture, film = tmp_path / "it's <first>.png", tmp_path / "film.mp4"
    write_picture(picture, np.full((24, 32, 3), (200, 30, 30), np.uint8))
    write_film(film, np.full((6, 32, 32, 3), 90, np.uint8), fps=4)
    browser.resize(1200)
    visit(browser, address)
    assert [each.text for each in browser.all(".file")] == ["First frame", "Last frame", "Film to change", "Mask"]
    write(browser, "prompt", "a red circle")
    browser.one("#more summary").click()
    write(browser, "steps", "2")
    Select(browser.one("#lora")).select_by_visible_text("a look")
    browser.one("#file-image").send_keys(str(picture))
    waited(lambda: browser.run("document.querySelector('#tile-image img')?.naturalWidth") == 32)
    browser.one("#keep").click()
    browser.one("#make").click()
    ended(browser, 1)
    assert browser.run("jobs[0].state") == "done"
    assert browser.run("[jobs[0].ask.image === taken.get('image').id, jobs[0].ask.lora]") == [True, "a look"]
    assert browser.run("jobs[0].ask.keep") is True
    browser.one("#tile-image button").click()
    assert not browser.one("#strength-row").is_displayed()
    assert not browser.one("#keep-row").is_displayed()
    browser.one("#file-video").send_keys(str(film))
    waited(lambda: browser.one("#strength-row").is_displayed())
    browser.run("(byId('strength').value = '0.5', byId('strength').dispatchEvent(new Event('input')))")
    browser.one("#make").click()
    ended(browser, 2)
    assert browser.run("[jobs[0].state, jobs[0].ask.strength, jobs[0].ask.image]") == ["done", 0.5, None]
    assert browser.driver.get_log("browser") == []


def test_bad_input_gets_a_sentence(browser: Browser, address: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG no picture")
    browser.resize(1200)
    visit(browser, address)

    def told(reason: str) -> None:
        waited(lambda: browser.one("#trouble").is_displayed() and reason in browser.one("#trouble").text)

    browser.one("#make").click()
    told("Write a prompt: what should the video show?")
    write(browser, "prompt", "a red circle")
    write(browser, "frames", "8")
    assert browser.one("#size-note").text == "Frames are 4n + 1, sides multiples of 16."
    browser.one("#make").click()
    told("9 frames of 16 x 16 pixels can")
    write(browser, "frames", "40001")
    write(browser, "width", "1024")
    browser.one("#make").click()
    told("ask for fewer frames or a smaller picture")
    browser.one("#file-image").send_keys(str(broken))
    told("broken.png: ")
    assert browser.run("jobs.length") == 0
    assert not browser.all(".file.has")


def test_a_server_that_is_gone_is_told(browser: Browser, run: Path, tmp_path: Path) -> None:  # noqa: F811
    with served(run, out=tmp_path / "out") as address:
        visit(browser, address)
    browser.run("submit()")
    waited(lambda: browser.one("#trouble").is_displayed())
    assert "does not answer" in browser.one("#trouble").text
    browser.driver.get("about:blank")


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_core_finds_nothing_serious(browser: Browser, axe: str, address: str, scheme: str, width: int) -> None:  # noqa: F811
    shown_in(browser, scheme, width)
    visit(browser, address)
    assert faults(browser, axe) == []
    browser.run("(byId('more').open = true, byId('prompt').value = 'a', byId('steps').value = 2, submit())")
    ended(browser, 1)
    browser.run("(byId('frames').value = 8, submit())")
    waited(lambda: browser.one("#trouble").is_displayed())
    assert faults(browser, axe) == []
    browser.run(f"(byId('frames').value = {LONG['frames']}, byId('steps').value = {LONG['steps']})")
    browser.run(f"(byId('width').value = byId('height').value = {LONG['width']}, submit())")
    waited(lambda: browser.run("document.getElementById('progress')?.value > 0"))
    assert faults(browser, axe) == []
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
