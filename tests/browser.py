"""A headless Chromium for tests that must see a page as its reader does, console and requests on record."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

REQUIRE = "CLIPMILL_REQUIRE_BROWSER"
"""Set to 1 where a missing browser must fail the tests instead of skipping them."""

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    # What the browser asks of its vendor on its own would be in nobody's log, and need a network.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"),
)


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser with one tab; `driver` is selenium's own for whatever is not here."""

    driver: Chrome

    def open(self, page: Path) -> None:
        """Load a file; returns once its scripts have run. What earlier pages logged is dropped."""
        # Leave the browser's own first page, which loads itself in many parts, before the records are cleared.
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(page.resolve().as_uri())

    def console_errors(self) -> list[str]:
        """Errors since the last call: exceptions, refused content, failed loads."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        """URLs the page asked for since the last call, the page itself and `data:` included."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def all(self, selector: str) -> list[WebElement]:
        """The elements that match a CSS selector."""
        found: list[WebElement] = self.driver.find_elements("css selector", selector)
        return found

    def one(self, selector: str) -> WebElement:
        """The first element that matches a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        return self.driver.execute_script(f"return {script}")

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page this many CSS pixels, as a phone of that width would (windows cannot be that narrow)."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser of its own profile, closed at the end; skips the test where there is none to open."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    chromium = next((path for name in names if (path := shutil.which(name))), None)
    chromedriver = shutil.which("chromedriver")
    selenium = importlib.util.find_spec("selenium")
    if not (chromium and chromedriver and selenium):
        missing = f"no browser: chromium {chromium}, chromedriver {chromedriver}, selenium {selenium and 'installed'}"
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
        driver.set_script_timeout(300)  # axe-core looks for minutes where the machine is busy
        try:
            yield Browser(driver)
        finally:
            driver.quit()
