"""With `--log-json` every line on standard error is one JSON object, whoever wrote it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import videos

ROOT = Path(__file__).resolve().parents[2]
LOUD = '''
"""Writes as libraries do: past Python, half a line, too much for a pipe, and something that looks like JSON."""
import ctypes, os, subprocess, sys, warnings
warnings.warn("old")
os.write(2, b'{"time": "never"\\n\\xff[a]\\n{"a": 1}\\n\\n')
print("half a line", file=sys.stderr, end="")
sys.stderr.flush()
os.write(2, b"\\n")
loud = b"x" * 200 + b"\\n"
ctypes.PyDLL(None).write(2, loud * 2000, len(loud) * 2000)
subprocess.run([sys.executable, "-c", "import sys; sys.exit('a child')"])
'''


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in done.stderr.decode("ascii").splitlines()]
    assert all(line.keys() >= {"time", "level", "event", "text"} for line in found)
    return found


def pipelines(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "pipelines", *arguments], cwd=ROOT, check=False, capture_output=True)


def test_every_line_of_a_run_is_an_object(tmp_path: Path) -> None:
    source, out = tmp_path / "in\n{}", tmp_path / "out"
    source.mkdir()
    film = videos.counter_video(source / "film.mp4", num_frames=80)
    film.rename(odd := source / os.fsdecode(b'\xff\n{"time": 1}.mp4'))
    odd.with_suffix(".json").write_text("[")
    (source / "bad\r\n.mp4").write_text("no film")
    (tmp_path / "loud.py").write_text(LOUD)
    loud = ("--plug-in", os.fspath(tmp_path / "loud.py"))
    done = pipelines("curate", os.fspath(source), os.fspath(out), "--engine", "local", "--log-json", *loud)
    assert done.returncode == 0
    assert b"sources failed" in done.stdout, "the summary is for people, where it was"
    said = lines(done)
    by_event = {line["event"]: line for line in said}
    assert (by_event["begin"]["files"], by_event["progress"]["units_done"]) == (2, by_event["begin"]["units"])
    assert by_event["source_failed"]["uri"] == os.fspath(source / "bad\r\n.mp4")
    assert by_event["source_failed"]["level"] == "warning"
    assert (said[-1]["event"], said[-1]["exit_status"]) == ("end", 0)
    raw = [line["text"] for line in said if line["event"] == "stderr"]
    assert {'{"time": "never"', "\\xff[a]", '{"a": 1}', "half a line", "a child", "x" * 200} == set(raw)
    assert raw.count("x" * 200) == 2000
    assert any("old" in line["text"] for line in said if line["event"] == "log")


def test_refusals_and_misspelt_options_are_objects_too(tmp_path: Path) -> None:
    refused = pipelines("curate", os.fspath(tmp_path / "nothing"), os.fspath(tmp_path / "out"), "--log-json")
    assert refused.returncode == 1
    first, end = lines(refused)
    assert (first["event"], first["command"], end["exit_status"]) == ("refused", "curate", 1)
    assert "no such file" in first["text"]
    misspelt = pipelines("curate", "--log-json", "--nothing")
    assert misspelt.returncode == 2
    assert [line["event"] for line in lines(misspelt)]
