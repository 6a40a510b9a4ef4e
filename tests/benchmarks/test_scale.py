"""docs/scale.md says what its script says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scale import CLIPS, Corpus, Costs, Storage, rows

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_in_the_docs_is_the_scripts() -> None:
    command = [sys.executable, "-m", "benchmarks.scale"]
    *table, last = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(table) > 10
    assert "\n".join(table) in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    figures = json.loads(last)
    few, _, many = (figures["core_hours"][str(clips)] for clips in CLIPS)
    assert many == pytest.approx(100 * few, rel=0.01)


def test_a_cost_changes_its_own_lines() -> None:
    table, dearer = (dict(rows(Corpus(), costs, Storage())) for costs in (Costs(), Costs(compaction_ms=100)))
    changed = {name for name, cells in table.items() if cells != dearer[name]}
    assert changed == {"driver: compaction on a disk", "driver: compaction in a bucket"}
