"""Make the pictures of docs/ anew, from the films that the demo draws: `make pictures`.

    python -m docs.pictures OUT

Opens `OUT/report.html` in a headless Chromium, waits until its films play, moves a bound as a reader would, and keeps
what is then on the screen. OUT is a manifest as `python -m pipelines demo` makes it.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver import ActionChains

from tests.browser import Browser, open_browser

WIDTH, HEIGHT = 1180, 1290
"""Of the window, in CSS pixels: the first screen and all of the explorer."""
SHOWN_WIDTH = 900
COLORS = 256
"""A palette of as many keeps the picture below 300 kB."""
RULE, PIXELS = "visual_quality", 440
PLAYING = "[...document.querySelectorAll('.reel video')].every(film => film.currentTime > 0.6)"
PATIENCE_SECONDS = 60
FILM_WIDTH, FILM_FPS, FILM_QUALITY = 720, 8, 55
STILL_FRAMES, MOVING_FRAMES = 8, 24
SEEK = """
const [seconds, done] = arguments, films = [...document.querySelectorAll("video")].filter((film) => film.duration);
let left = films.length;
for (const film of films) {
  film.dataset.from ??= film.currentTime;
  film.pause();
  film.onseeked = () => --left || requestAnimationFrame(() => requestAnimationFrame(done));
  film.currentTime = Number(film.dataset.from) + seconds;
}
left || done();
"""
"""Show all films so many seconds after where they first were; done once they do."""


def main(out: str) -> None:
    """Draw `docs/report.png` and `docs/report.webp`, which moves."""
    with open_browser() as browser:
        browser.resize(WIDTH, HEIGHT)
        browser.open(Path(out) / "report.html")
        browser.one(f"#rules [data-column={RULE}]").click()
        browser.driver.execute_script("scrollTo(0, 0)")
        _wait(browser)
        film = list(_film(browser))
        browser.driver.execute_script("document.activeElement.blur()")
        picture = _screen(browser, SHOWN_WIDTH)
    _save(picture.quantize(COLORS, dither=Image.Dither.FLOYDSTEINBERG), "report.png", optimize=True)
    moves = {"save_all": True, "append_images": film[1:], "duration": round(1000 / FILM_FPS), "loop": 0}
    _save(film[0], "report.webp", quality=FILM_QUALITY, method=6, **moves)


def _wait(browser: Browser) -> None:
    """Until the films play; where they do not within a minute, their stills are the picture."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not browser.run(PLAYING) and time.monotonic() < until:
        time.sleep(0.1)


def _film(browser: Browser) -> Iterator[Image.Image]:
    """Frames of a bound that is dragged; films show what they then would, however slow this machine is."""
    rest = [0] * STILL_FRAMES
    moves = [PIXELS // MOVING_FRAMES] * MOVING_FRAMES
    ActionChains(browser.driver).click_and_hold(browser.one("[data-end=min]")).perform()
    for number, move in enumerate([*rest, *moves, *rest]):
        ActionChains(browser.driver, duration=0).move_by_offset(move, 0).perform()
        browser.driver.execute_async_script(SEEK, number / FILM_FPS)
        yield _screen(browser, FILM_WIDTH)
    ActionChains(browser.driver).release().perform()


def _screen(browser: Browser, width: int) -> Image.Image:
    picture = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB")
    return picture.resize((width, width * picture.height // picture.width), Image.Resampling.LANCZOS)


def _save(picture: Image.Image, name: str, **options: Any) -> None:
    place = Path(__file__).with_name(name)
    picture.save(place, **options)
    print(place)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT")
    main(parser.parse_args().out)
