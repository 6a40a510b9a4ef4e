"""`cut` and `export` as commands, killed at random moments and given again: no file is missing, torn or double."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import pandas as pd
import pytest

from filters.brightness import BrightnessScorer
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.curate import ROOT, curate
from pipelines.recipe import recipes
from tests import videos

KILLS = 20
MEDIA = (".mkv", ".mp4")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 24 clips of eight films, all kept."""
    films, out = tmp_path_factory.mktemp("films"), tmp_path_factory.mktemp("made") / "out"
    config = replace(
        recipes.default(), scorers=(BrightnessScorer(),), rules=(Range(column="duration_seconds", min=2.0),)
    )
    for number in range(8):
        path = films / f"film {number}.mp4"
        videos.shots_video(path, seconds=(3.1, 2.6, 4.0), size=(320, 180), percent_per_second=60 + number)
    curate(os.fspath(films), os.fspath(out), config, engine="in-process")
    assert (pd.read_parquet(out / "clips")["status"] == "kept").sum() == 24
    return out


@pytest.mark.attack
@pytest.mark.parametrize("seed", range(1))
def test_cut_that_is_killed_again_and_again(made: Path, tmp_path: Path, seed: int) -> None:
    out, dest = Path(shutil.copytree(made, tmp_path / "out")), tmp_path / "dest"
    words = ["cut", os.fspath(out), os.fspath(dest), "--fps", "24", "--codec", "ffv1"]  # equal frames make equal bytes

    def state() -> object:
        clips = pd.read_parquet(out / "clips").sort_values("clip_id")
        return {path.name: path.read_bytes() for path in media(dest)}, clips.to_json()

    attack(words, dest, state, random.Random(seed), files=24)
    assert not [path for path in out.rglob("*") if ".tmp" in path.name or path.parent.name == "attempts"]


@pytest.mark.attack
@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize("layout", ["musubi", "hf", "webdataset"])
def test_export_that_is_killed_again_and_again(made: Path, tmp_path: Path, seed: int, layout: str) -> None:
    out, dest = Path(shutil.copytree(made, tmp_path / "out")), tmp_path / "dest"
    words = ["export", os.fspath(out), os.fspath(dest), "--for", layout, "--model", "wan2.1", "--frames", "33"]

    def state() -> object:
        """All but what of x264's files is not the same each time."""
        paths = sorted(path for path in dest.rglob("*") if path.is_file() and ".cut" not in path.parts)
        steady = [path for path in paths if path.suffix not in {*MEDIA, ".parquet", ".tar"}]
        table = pd.read_parquet(dest / "clips.parquet").drop(columns="file_size_bytes")
        return (
            [path.relative_to(dest).as_posix() for path in paths],
            [path.read_bytes() for path in steady],
            table.to_json(),
        )

    files = attack([*words, "--held-out", "0.3"], dest, state, random.Random(seed), files=24)
    assert files == 24 or layout == "webdataset"


def attack(words: Sequence[str], dest: Path, state: Callable[[], object], rng: random.Random, *, files: int) -> int:
    """Give a command that makes so many files until it has been killed `KILLS` times, and compare what comes of it with
    what comes of one that nobody disturbs; the number of files in the end."""
    assert main([*words, "--engine", "in-process"]) == 0
    undisturbed = state()
    shutil.rmtree(dest)
    killed = 0
    while killed < KILLS:
        before = len(media(dest))
        wanted = min(files, before + rng.choice([0, 1, 2, files]))
        process = command(words)
        while process.poll() is None and len(media(dest)) < wanted:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 3.0 if wanted == before else 0.3))
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            assert state() == undisturbed
            shutil.rmtree(dest)
            continue
        killed += 1
        for path in media(dest):
            assert is_whole(path), f"{path} after {killed} kills"
    assert command(words).wait() == 0
    assert state() == undisturbed
    assert not list(dest.rglob(".*.tmp"))
    return len(media(dest))


def command(words: Sequence[str]) -> subprocess.Popen[bytes]:
    """A command of ours under way, its worker a process of its own."""
    line = [sys.executable, "-m", "pipelines", *words, "--engine", "local"]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def media(folder: Path) -> list[Path]:
    """What a trainer would take for clips."""
    found = (path for suffix in MEDIA for path in folder.rglob(f"*{suffix}"))
    return [path for path in found if not path.name.startswith(".")]


def is_whole(path: Path) -> bool:
    """Whether it opens and has as many frames as it says."""
    with av.open(os.fspath(path)) as container:
        stream = container.streams.video[0]
        promised = stream.frames or round(
            float(container.duration or 0) / av.time_base * float(stream.average_rate or 0)
        )
        return sum(1 for _ in container.decode(stream)) == promised > 0
