"""The demo's page as its reader has it, in a headless Chromium: its films play, and it asks nothing of anybody."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.browser import Browser, open_browser
from training.film import write_picture, write_preview
from training.shapes.corpus import render, scenes
from training.shapes.page import Section, write_page

pytestmark = pytest.mark.slow


def plays(browser: Browser, place: int) -> bool:
    """Whether a picture of the page changes within seconds."""
    picture = browser.all("img")[place]
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
    first, until = picture.screenshot_as_png, time.monotonic() + 5
    while time.monotonic() < until:
        if picture.screenshot_as_png != first:
            return True
    return False


def test_films_play_and_pictures_do_not(tmp_path: Path) -> None:
    [scene] = scenes(1, seed=2)
    film = render(scene, size=64, num_frames=9, fps=4)
    write_preview(tmp_path / "film.webp", film, fps=4)
    write_picture(tmp_path / "picture.png", film[0])
    strip = {"plays": tmp_path / "film.webp", "stands": tmp_path / "picture.png"}
    write_page(tmp_path / "index.html", "Films", [Section(title="One", text="of them", films={scene.caption: strip})])
    with open_browser() as browser:
        browser.open(tmp_path / "index.html")
        widths = browser.run("[...document.images].map(each => each.naturalWidth)")
        assert widths == [64, 64], "the page's own policy lets them be seen"
        assert plays(browser, 0)
        assert not plays(browser, 1)
        assert scene.caption in browser.run("document.body.innerText")
        assert not browser.console_errors()
        asked = browser.requests()
        assert all(each.startswith(("file:", "data:")) for each in asked), asked
