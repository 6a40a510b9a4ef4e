"""What axe-core (Deque's rules of WCAG 2 and good practice) says of the page, in light and in dark."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import pytest

from tests.browser import Browser, open_browser
from tests.pipelines.test_page_groups import with_groups

VIEWS = {
    "whole": "0",
    "clip": "openClip(0, [0, 1])",
    "moved": "change({bounds: new Map([['motion', [1, null]]]), status: 'changed'})",
    "duplicates": "change({group: 'any'})",
    "group": "openClip([...groupsOfPage().values()][0][0], found)",
    "source": "showSource(uri.of(0))",
}


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def axe() -> str:
    if not find_spec("axe_core_python"):
        pytest.skip("no axe-core: `pip install axe-core-python`, which is in `.[dev]`")
    return (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory):
    return with_groups(tmp_path_factory.mktemp("axe") / "out") / "report.html"


def faults(browser: Browser, axe: str) -> list[dict[str, Any]]:
    """What axe-core finds that is more than minor."""
    browser.driver.execute_script(axe)
    script = "const done = arguments[arguments.length - 1]; axe.run(document).then(found => done(found.violations))"
    found: list[dict[str, Any]] = browser.driver.execute_async_script(script)
    return [
        {"rule": one["id"], "impact": one["impact"], "at": [node["target"] for node in one["nodes"]][:5]}
        for one in found
        if one["impact"] != "minor"
    ]


def shown_in(browser: Browser, scheme: str, width: int) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.resize(width)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1200),
        ("dark", 360),
        pytest.param("light", 360, marks=pytest.mark.attack),
        pytest.param("dark", 1200, marks=pytest.mark.attack),
    ],
)
def test_axe_core_finds_nothing_serious(browser, axe, page, scheme: str, width: int) -> None:
    shown_in(browser, scheme, width)
    for view, script in VIEWS.items():
        browser.open(page)
        browser.run(script)
        assert faults(browser, axe) == [], view


@pytest.mark.slow
def test_axe_core_finds_what_is_wrong(browser, axe, page) -> None:
    shown_in(browser, "light", 1200)
    browser.open(page)
    browser.driver.execute_script("document.getElementById('q').removeAttribute('aria-label');")
    browser.driver.execute_script("document.getElementById('q').removeAttribute('placeholder');")
    assert [each["rule"] for each in faults(browser, axe)] == ["label"]
