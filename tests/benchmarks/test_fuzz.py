"""Spoilt films through what a worker does with a file: it gives rows that can be true, or a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hostile.mutants import mutant
from benchmarks.hostile.nonsense import nonsense
from benchmarks.hostile.seeds import SEEDS, write_film
from pipelines.clips.decisions import decide
from pipelines.clips.spans import measure_span
from pipelines.clips.task import whole
from pipelines.recipe import recipes
from preprocess.errors import MediaError
from preprocess.sources import list_sources
from preprocess.units import SourceSpan

ROOT = Path(__file__).resolve().parents[2]
FILMS = ("h264.mp4", "uneven.mkv", "h264.ts", "mpeg4.avi", "sorenson.flv", "wmv2.wmv", "mjpeg.mov", "plain.gif")


def test_spoilt_films_give_rows_that_can_be_true_or_a_reason(tmp_path: Path) -> None:
    films = [tmp_path / seed.name for seed in SEEDS if seed.name in FILMS]
    for path, seed in zip(films, (seed for seed in SEEDS if seed.name in FILMS), strict=True):
        write_film(path, seed)
    folder = tmp_path / "mutants"
    folder.mkdir()
    for number in range(12):
        mutant(0, number, films).write(folder)
    config = recipes.default()
    task = whole(config, {})
    clips, sources = [], []
    for source in list_sources(str(folder)).sources:
        try:
            measured = measure_span(task, SourceSpan(source=source))
        except MediaError:  # a fact about the file; anything else is raised
            continue
        for clip in measured.clips:
            clip.row.pop("preview")
            decide(config, clip.row)
        sources.append(measured.source)
        clips += [clip.row for clip in measured.clips]
    assert len(sources) >= 4
    assert nonsense(clips, sources, config.clips) == []


@pytest.mark.attack
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_stops_the_command(seed: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--files", "500", "--seed", str(seed)]
    command += ["--keep", os.fspath(tmp_path / "kept")]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    names = ("run_ended", "hangs", "segfaults_of_run", "sources_without_row", "nonsense_rows", "internal_errors")
    assert not any(figures[name] for name in names), done.stderr[-5000:]
    assert figures["peak_rss_mb"] < 1024
    assert figures["codecs"] >= 10
    assert figures["containers"] >= 10
