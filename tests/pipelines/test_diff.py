"""Two manifests compared: every clip that changed is told, with what made it change, whatever their order and size."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.__main__ import main
from preprocess.manifest import Manifest
from preprocess.schema import SOURCE_SCHEMA

REASONS = (["motion:below_1.0"], ["motion:below_1.0", "text_area:above_0.02"], ["text_area:above_0.02"])
Row = dict[str, Any]


def clip(clip_id: str, reasons: list[str], **columns: Any) -> Row:
    status = "rejected" if reasons else "kept"
    place = {"source_id": clip_id[-1], "source_uri": "/a\x1b[31m.mp4", "start_seconds": 0.0, "end_seconds": 4.0}
    return {"clip_id": clip_id, **place, "duration_seconds": 4.0, "status": status, "reasons": reasons, **columns}


def source(uri: str, source_id: str | None, status: str = "ok") -> Row:
    return dict.fromkeys(SOURCE_SCHEMA.names) | {"uri": uri, "source_id": source_id, "status": status}


def made(folder: Path, clips: list[Row], sources: list[Row], settings: Row | None = None) -> str:
    manifest = Manifest(os.fspath(folder))
    schema = pa.schema(
        [(name, pa.string()) for name in ("clip_id", "source_id", "source_uri", "status")]
        + [(name, pa.float64()) for name in ("start_seconds", "end_seconds", "duration_seconds", "motion")]
        + [("reasons", pa.list_(pa.string()))]
    )
    manifest.replace_clips(pa.Table.from_pylist(clips, schema), {})
    manifest.replace_sources(sources, {})
    manifest.write_run({"settings": settings or {}})
    return manifest.location


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["diff", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("seed", range(8))
def test_each_change_is_told_once_whatever_the_order_and_the_shares(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(seed)
    monkeypatch.setattr("pipelines.shares.ROWS_OF_SHARE", int(draw.integers(5, 300)))
    monkeypatch.setattr("preprocess.io.tables.GROUP_ROWS", 37)
    ids = [f"{number:032x}" for number in draw.permutation(200)]
    sides = []
    for name in "ab":
        chosen = draw.permutation(ids)[: int(draw.integers(0, 200))].tolist()
        rows = [clip(each, [[], *REASONS][draw.integers(4)]) for each in chosen]
        made(tmp_path / name, rows, [])
        sides.append({row["clip_id"]: row for row in rows})
    expected = {}
    for clip_id in sides[0].keys() | sides[1].keys():
        rows = [side.get(clip_id) for side in sides]
        if rows[0] is None or rows[1] is None or rows[0]["reasons"] != rows[1]["reasons"]:
            expected[clip_id] = [None if row is None else row["reasons"] for row in rows]
    *lines, last = told(capsys, f"{tmp_path}/a", f"{tmp_path}/b", "--json").splitlines()
    changes = [json.loads(line) for line in lines]
    assert {change["clip_id"]: change["reasons"] for change in changes} == expected
    assert len(changes) == len(expected)
    summary = json.loads(last)["summary"]
    assert summary["same"] == len(sides[0].keys() & sides[1].keys()) - sum(
        None not in each for each in expected.values()
    )
    counts = Counter(change["change"] for change in changes)
    assert {name: kind["clips"] for name, kind in summary["changes"].items()} == counts


def test_people_are_told_which_clips_why_and_by_which_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = made(
        tmp_path / "a",
        [clip("1", [], motion=0.5), clip("2", REASONS[2]), clip("3", []), clip("4", REASONS[0])],
        [source("/one", "1"), source("/copy", "1", "duplicate"), source("/x", None, "failed"), source("/y", "y")],
        {"rules.motion.min": 0.1, "same": 1},
    )
    b = made(
        tmp_path / "b",
        [clip("4", REASONS[1]), clip("2", []), clip("5", ["\x1b]0;x\x07"]), clip("1", REASONS[0], motion=0.5)],
        [source("/renamed", "1"), source("/x", None, "failed"), source("/y", "y", "damaged"), source("/z", "z")],
        {"rules.motion.min": 1.0, "same": 1},
    )
    said = told(capsys, a, b)
    lines = said.splitlines()
    assert "  rules.motion.min: 0.1 -> 1.0" in lines
    at = lines.index("1 clips kept in A and rejected in B, 4 s")
    assert lines[at + 1] == "  1 motion:below_1.0"
    assert lines[at + 2] == "  such as 1 of '/a\\x1b[31m.mp4', 0.00 to 4.00 s: motion 0.5 -> 0.5"
    at = lines.index("1 clips of the same status for other reasons, 4 s")
    assert lines[at + 1] == "  1 text_area:above_0.02"
    for line in ("1 clips rejected in A and kept in B, 4 s", "1 clips only in A, 4 s", "1 clips only in B, 4 s"):
        assert line in lines
    assert "  1 \\x1b]0;x\\x07" in lines
    assert "1 sources only in B" in lines
    assert "1 sources ok in A and in B damaged" in lines
    assert not any("sources only in A" in line for line in lines)
    assert said.replace("\n", "").isprintable()


def test_what_is_no_manifest_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = made(tmp_path / "a", [], [])
    assert main(["diff", a, f"{tmp_path}/none"]) == 1
    assert "no manifest there" in capsys.readouterr().err
    assert "0 clips are the same" in told(capsys, a, a)
