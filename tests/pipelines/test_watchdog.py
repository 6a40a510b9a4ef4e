"""A worker that hangs is ended, whatever it hangs in, and leaves word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

AT_ONCE = """
import ctypes, sys
from dataclasses import replace
from pipelines.clips.watchdog import Watchdog
from preprocess.file_bounds import ORDINARY
with Watchdog(sys.argv[1]).watching(replace(ORDINARY, stall_seconds=0.5), print):
    ctypes.PyDLL(None).sleep(600)
"""


def test_what_holds_the_interpreter_from_the_first_moment_is_ended(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", AT_ONCE, tmp_path], cwd=ROOT, check=False, timeout=300)
    assert ended.returncode == 1
    (words,) = tmp_path.glob(".*.words")
    assert "Timeout (" in words.read_text()
