"""How soon a report of many clips can be used: its size, until it is drawn, and until a bound that moves is answered.

    python -m benchmarks.page [--clips 5000] [--drags 60] [--folder DIR]
    python -m benchmarks.page --serve 1000000 [--folder DIR]

Makes a manifest of the default recipe with generated values and pictures in a temporary folder, writes its report, and
drives it in a headless Chromium. "Ready" is from the navigation's start to the end of the page's script and the next
frame; a drag is a real pointer move of the bound, from the event to the end of the frame that shows what came of it.

With `--serve`, `python -m pipelines serve` has so many clips, in a process of its own whose largest memory is told. The
first page is there when its lists and counts of all clips have been answered and drawn. A filter and a moved bound are
measured from the change to the frame that shows the answer of the server: each several times, with values that were not
asked for before, and with the processor time that the server spent on each. A word by hand is measured until it is
safe, and until the table has it.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
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
from pipelines.verdicts import Waiting
from preprocess.io import storage
from preprocess.io.tables import write_table
from preprocess.manifest import PREVIEW_GROUP_ROWS, Manifest
from tests.browser import open_browser

ROOT = Path(__file__).resolve().parents[1]
READY = """
const done = arguments[0];
const ended = () => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
if (document.readyState === "complete") ended(); else addEventListener("load", ended);
"""
PICTURED = 20_000
LOWS = (0.5, 0.55, 0.7, 0.9, 1.3)
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


ANSWERED = """
const done = arguments[0], began = performance.now();
const ready = () => document.documentElement.dataset.ready === "";
const look = () => !toldOf(state.bounds) || !toldOf(state.bounds).near.size || latest("find").under || !ready()
  ? setTimeout(look, 2) : requestAnimationFrame(() => setTimeout(() => done(performance.now() - began), 0));
%s;
look();
"""
FILTERS = {
    "word": [f"change({{...fresh(), q: '{word}'}})" for word in ("blue", "moderate", "0000123", "zebra", "film 00004")],
    "status": [f"change({{...fresh(), status: '{status}'}})" for status in ("kept", "rejected", "all")],
    "range": [f"change({{...fresh(), ranges: [['contrast', {low}, null]]}})" for low in (50, 90, 120)],
    "sort": [f"change({{...fresh(), sort: '{column}'}})" for column in ("motion", "contrast", "noise")],
    "bound": [f"change({{...state, rule: 'motion', bounds: withBounds('motion', [{low}, 60])}})" for low in LOWS],
    "would_change": ["change({...state, status: 'changed'})"],
    "percentile": [f"ask('percentile', 'column=motion&share={share}')" for share in (10, 20)],
}


def serve(clips: int, folder: str | None) -> None:
    """Make the manifest, serve it, drive its page, and print."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        # not here: the kernel counts what a process held when it started another one as memory of that one, too
        maker = multiprocessing.get_context("spawn").Process(target=_generated, args=(out, clips))
        maker.start()
        maker.join()
        began = time.monotonic()
        command = [sys.executable, "-m", "pipelines", "serve", out]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            figures: dict[str, Any] = {"clips": clips, "start_seconds": round(time.monotonic() - began, 1)}
            figures["start_mb"] = _peak(server.pid)
            figures |= _asked(address, server.pid)
            figures["peak_mb"] = _peak(server.pid)
            figures["table_seconds"] = _until_landed(out)
            server.kill()
    print(json.dumps(figures))


def _asked(address: str, server: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with open_browser() as browser:
        browser.resize(1280)
        browser.driver.set_script_timeout(120)
        first = []
        for _ in range(3):
            browser.driver.get("about:blank")
            browser.driver.get(address)
            browser.driver.execute_async_script(ANSWERED % "")
            first.append(browser.run("performance.now()"))
        figures["first_page_ms"], figures["first_page_worst_ms"] = round(statistics.median(first)), round(max(first))
        for name, changes in FILTERS.items():
            before = _cpu_seconds(server)
            took = [browser.driver.execute_async_script(ANSWERED % change) for change in changes]
            figures[f"{name}_ms"] = [round(each) for each in took]
            figures[f"{name}_cpu_ms"] = round(1000 * (_cpu_seconds(server) - before) / len(changes))
        word = "say(found[0], {verdict: 'drop'}).then(() => done(performance.now() - began))"
        took = browser.driver.execute_async_script(f"const done = arguments[0], began = performance.now(); {word}")
        figures["said_ms"] = round(took)
        errors = browser.driver.get_log("browser")
        if errors:
            raise SystemExit(f"the browser's console says {errors}")
    return figures


def _until_landed(out: str) -> float:
    """Seconds until the table has what was said."""
    began = time.monotonic()
    while Waiting.at(out).places:
        time.sleep(0.2)
    return round(time.monotonic() - began, 1)


def _cpu_seconds(process: int) -> float:
    """That a process has spent so far, in hundredths."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(process: int) -> int:
    """The most memory that a process has had so far, in MB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def _generated(out: str, clips: int) -> None:
    """With pictures of those that are shown first; the others' are so small that there is nothing in them."""
    generate(out, clips, 0)
    table = Manifest(out).clips(["clip_id"])
    assert table is not None
    _write_strips(Manifest(out), "strips.parquet", sorted(table["clip_id"].to_pylist())[:PICTURED])


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
    clips = manifest.clips(["clip_id"])
    assert clips is not None
    for name in storage.list_files(storage.join(manifest.location, "previews"), ".parquet"):
        Path(storage.join(manifest.location, "previews", name)).unlink()
    _write_strips(manifest, "all.parquet", sorted(clips["clip_id"].to_pylist()))


def _write_strips(manifest: Manifest, name: str, ids: list[str]) -> None:
    """Strips of the size and weight that real ones have."""
    draw = np.random.default_rng(0)
    noise = [cv2.GaussianBlur(draw.integers(0, 255, (90, 480, 3), np.uint8), (5, 5), 0) for _ in range(20)]
    jpegs = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 75])[1].tobytes() for picture in noise]
    table = pa.table({"clip_id": ids, "jpeg": [jpegs[i % len(jpegs)] for i in range(len(ids))]})
    write_table(storage.join(manifest.location, "previews", name), table, group_rows=PREVIEW_GROUP_ROWS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--drags", type=int, default=60)
    parser.add_argument("--serve", type=int, metavar="CLIPS", help="measure `serve` with so many instead")
    parser.add_argument("--folder")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.folder)
    else:
        main(options.clips, options.drags, options.folder)
