"""How soon a report of many clips can be used: its size, until it is drawn, and until a bound that moves is answered.

    python -m benchmarks.page [--clips 5000] [--drags 60] [--folder DIR]

Makes a manifest of the default recipe with generated values and pictures in a temporary folder, writes its report, and
drives it in a headless Chromium. "Ready" is from the navigation's start to the end of the page's script and the next
frame; a drag is a real pointer move of the bound, from the event to the end of the frame that shows what came of it.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from selenium.webdriver import ActionChains

from benchmarks.decide import generate
from pipelines.report.write import write_report
from preprocess.io import storage
from preprocess.io.tables import write_table
from preprocess.manifest import PREVIEW_GROUP_ROWS, Manifest
from tests.browser import open_browser

READY = """
const done = arguments[0];
const ended = () => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
if (document.readyState === "complete") ended(); else addEventListener("load", ended);
"""
LISTEN = """
window.answers = [];
document.querySelector("svg.big").addEventListener("pointermove", () => {
  const began = performance.now();
  requestAnimationFrame(() => setTimeout(() => answers.push(performance.now() - began), 0));
});
"""


def main(clips: int, drags: int, folder: str | None) -> None:
    """Make the manifest and its page, drive it, and print."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        generate(out, clips, 0)
        _draw_previews(Manifest(out))
        began = time.monotonic()
        page = Path(write_report(Manifest(out)))
        figures: dict[str, Any] = {"clips": clips, "write_seconds": round(time.monotonic() - began, 2)}
        figures["megabytes"] = round(page.stat().st_size / 1e6, 2)
        figures |= _driven(page, drags)
    print(json.dumps(figures))


def _driven(page: Path, drags: int) -> dict[str, float]:
    with open_browser() as browser:
        browser.resize(1280)
        ready = []
        for _ in range(3):
            browser.driver.get("about:blank")
            browser.driver.get(page.as_uri())
            browser.driver.execute_async_script(READY)
            timing = "performance.getEntriesByType('navigation')[0]"
            ready.append(browser.run(f"{timing}.loadEventEnd - {timing}.startTime"))
        browser.run("document.querySelector('#rules [data-column=motion]').click()")
        browser.driver.execute_script(LISTEN)
        # A pause of no length: moves come as fast as the browser takes them.
        chain = ActionChains(browser.driver, duration=1).click_and_hold(browser.one("[data-end=min]"))
        for number in range(drags):
            chain.move_by_offset(4 if number % 20 < 15 else -9, 0)
        chain.release().perform()
        answers = sorted(browser.run("answers"))
        typed = browser.run(
            "(() => { const began = performance.now(); change({q: 'moderate'}); return performance.now() - began; })()"
        )
    return {
        "ready_ms": round(statistics.median(ready)),
        "ready_worst_ms": round(max(ready)),
        "drags": len(answers),
        "drag_median_ms": round(statistics.median(answers), 1),
        "drag_95th_ms": round(answers[int(len(answers) * 0.95)], 1),
        "drag_worst_ms": round(answers[-1], 1),
        "search_ms": round(typed, 1),
    }


def _draw_previews(manifest: Manifest) -> None:
    """Strips of the size and weight that real ones have."""
    draw = np.random.default_rng(0)
    noise = [cv2.GaussianBlur(draw.integers(0, 255, (90, 480, 3), np.uint8), (5, 5), 0) for _ in range(20)]
    jpegs = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 75])[1].tobytes() for picture in noise]
    clips = manifest.clips(["clip_id"])
    assert clips is not None
    ids = clips["clip_id"].to_pylist()
    for name in storage.list_files(storage.join(manifest.location, "previews"), ".parquet"):
        Path(storage.join(manifest.location, "previews", name)).unlink()
    table = pa.table({"clip_id": sorted(ids), "jpeg": [jpegs[i % len(jpegs)] for i in range(len(ids))]})
    write_table(storage.join(manifest.location, "previews", "all.parquet"), table, group_rows=PREVIEW_GROUP_ROWS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--drags", type=int, default=60)
    parser.add_argument("--folder")
    options = parser.parse_args()
    main(options.clips, options.drags, options.folder)
