"""Killed at sixty moments, the tables come out the same; and the torture would see it if they did not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kills.story import Differences, Tables

ROOT = Path(__file__).resolve().parents[2]
CLIPS = [{"clip_id": name, "motion": 1.0} for name in "abc"]
SOURCES = [{"uri": "/film.mp4", "status": "ok"}]


@pytest.mark.parametrize(
    ("clips", "missing", "doubled", "changed"),
    [
        (CLIPS[:2], 1, 0, 0),
        ([*CLIPS, CLIPS[0]], 0, 1, 0),
        ([*CLIPS[:2], {"clip_id": "c", "motion": None}], 0, 0, 1),
        ([*CLIPS, {"clip_id": "d", "motion": 1.0}], 0, 0, 1),
        (CLIPS[::-1], 0, 0, 0),
    ],
)
def test_what_is_not_as_it_should_be_is_counted(
    clips: list[dict[str, object]], missing: int, doubled: int, changed: int
) -> None:
    differences, expected = Differences(), Tables(rows={"clips": CLIPS, "sources": SOURCES})
    assert differences.add(expected, expected)
    assert differences == Differences()
    assert not differences.add(Tables(rows={"clips": clips, "sources": SOURCES}), expected)
    assert differences == Differences(
        rows_missing=missing, rows_doubled=doubled, rows_changed=changed, tables_equal=False
    )


@pytest.mark.attack
@pytest.mark.parametrize(
    "arguments", [(), ("--bucket",), pytest.param(("--engine", "ray"), marks=pytest.mark.cluster)], ids=str
)
def test_sixty_kills_change_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "benchmarks.torture", str(tmp_path / "films"), "--kills", "60", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] >= 60
    assert found["by_target"]["placed"] >= 10
    assert found["tables_equal"]
    zeros = ("rows_missing", "rows_doubled", "rows_changed", "tmp_files_left", "processes_left", "refused", "hung")
    assert {name: found[name] for name in zeros} == dict.fromkeys(zeros, 0)
