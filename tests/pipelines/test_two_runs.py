"""Two commands at once. Into one OUT: one is refused in a sentence, or both end well; the tables are right. Into two,
by the default engine: neither knows of the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from preprocess.manifest import Manifest
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server

ROOT = Path(__file__).resolve().parents[2]


def begun(films: Path, out: str, engine: str = "local") -> subprocess.Popen[str]:
    arguments = ["curate", os.fspath(films), out, "--recipe", "benchmarks.kills.recipe:quick", "--engine", engine]
    command = [sys.executable, "-m", "pipelines", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def tables(out: str) -> list[pd.DataFrame]:
    manifest = Manifest(out)
    return [manifest.parted_clips().read_all().to_pandas(), manifest.parted_sources().read_all().to_pandas()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_two_curates_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for number in range(4):
        videos.shots_video(films / f"{number}.mp4", seconds=(4, 5, 4), openings=("cut",) * 3)
    with moto_server() as address:
        use_server(monkeypatch, address)
        place = os.fspath(tmp_path) if kind == "folder" else make_bucket("two-runs")
        alone = f"{place}/alone"
        assert begun(films, alone).wait() == 0
        both = [begun(films, f"{place}/out") for _ in range(2)]
        ends = [(run.communicate()[1], run.returncode) for run in both]
        assert sorted(code for _, code in ends) in ([0, 0], [0, 1])
        assert all(code == 0 or "is in use by another run (process " in said for said, code in ends), ends
        for table, expected in zip(tables(f"{place}/out"), tables(alone), strict=True):
            pd.testing.assert_frame_equal(table, expected)


@pytest.mark.attack
@pytest.mark.cluster
def test_two_curates_with_a_cluster_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    films = tmp_path / "films"
    films.mkdir()
    for number in range(4):
        videos.shots_video(films / f"{number}.mp4", seconds=(4, 5, 4), openings=("cut",) * 3)
    both = [begun(films, os.fspath(tmp_path / name), engine="auto") for name in ("one", "other")]
    ends = [(run.communicate()[1], run.returncode) for run in both]
    assert [code for _, code in ends] == [0, 0], ends
    for table, expected in zip(tables(f"{tmp_path}/one"), tables(f"{tmp_path}/other"), strict=True):
        pd.testing.assert_frame_equal(table, expected)
