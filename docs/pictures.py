"""Make the pictures of docs/ anew, from the films that the demo draws: `make pictures`.

    python -m docs.pictures OUT

Opens `OUT/report.html` in a headless Chromium, waits until its films play, moves a bound as a reader would, and keeps
what is then on the screen. OUT is a manifest as `python -m pipelines demo` makes it.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

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


def main(out: str) -> None:
    """Draw `docs/report.png`."""
    with open_browser() as browser:
        browser.resize(WIDTH, HEIGHT)
        browser.open(Path(out) / "report.html")
        browser.one(f"#rules [data-column={RULE}]").click()
        handle = browser.one("[data-end=min]")
        ActionChains(browser.driver).drag_and_drop_by_offset(handle, PIXELS, 0).perform()
        browser.driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        _wait(browser)
        picture = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB")
    small = picture.resize((SHOWN_WIDTH, SHOWN_WIDTH * picture.height // picture.width), Image.Resampling.LANCZOS)
    place = Path(__file__).with_name("report.png")
    small.quantize(COLORS, dither=Image.Dither.FLOYDSTEINBERG).save(place, optimize=True)
    print(place)


def _wait(browser: Browser) -> None:
    """Until the films play; where they do not within a minute, their stills are the picture."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not browser.run(PLAYING) and time.monotonic() < until:
        time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT")
    main(parser.parse_args().out)
