"""Libraries that would tell their makers of a run are told not to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import Canary

ROOT = Path(__file__).resolve().parents[3]
READS_TEXT = """
import sys, time
from importlib.util import find_spec
from pathlib import Path
from filters.onnx.session import session
[package] = find_spec("rapidocr").submodule_search_locations
session(next(Path(package).rglob("*.onnx")).read_bytes())
time.sleep(float(sys.argv[1]))
"""


def heard_while(seconds: float, home: Path) -> list[bytes]:
    """What reaches a proxy for everything while a network for text is loaded, and so long after."""
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")}
    with Canary() as bird:
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), bird.url)
        environment = {**kept, **proxies, "HOME": os.fspath(home), "PYTHONPATH": os.fspath(ROOT)}
        subprocess.run([sys.executable, "-c", READS_TEXT, str(seconds)], env=environment, check=True)
        return bird.heard


def test_nothing_is_kept_about_the_machine(tmp_path: Path) -> None:
    assert heard_while(0.0, tmp_path / "home") == []
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.attack
def test_nobody_is_told_of_a_run(tmp_path: Path) -> None:
    assert heard_while(30.0, tmp_path / "home") == []
