"""Whatever kills a command, at whatever step, and whichever comes next: in the end the tables are those of commands
that nobody disturbed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.kills.placed import Steps
from filters.brightness import BrightnessScorer
from filters.motion import MotionScorer
from filters.rules import Range
from pipelines.caption import run_caption
from pipelines.curate import curate
from pipelines.decide import decide
from pipelines.filter import run_filter
from pipelines.recipe import recipes
from preprocess.manifest import fingerprint_of
from tests import videos
from tests.victims import ended

CONFIG = replace(
    recipes.default(),
    scorers=(MotionScorer(), BrightnessScorer()),
    rules=(Range(column="duration_seconds", min=3.0), Range(column="motion", min=0.1)),
    span_seconds=60.0,
)


def curated(films: Path, out: Path) -> None:
    curate(os.fspath(films), os.fspath(out), CONFIG, engine="local")


def filtered(out: Path) -> None:
    run_filter("sharpness", os.fspath(out), engine="in-process")


def decided(out: Path) -> None:
    decide(os.fspath(out), recipe=None, assignments=["rules.motion.min=5"])


def captioned(out: Path) -> None:
    run_caption(os.fspath(out), captioner="sidecar", engine="in-process")


@pytest.fixture(autouse=True)
def divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Films of any size are divided."""
    monkeypatch.setattr("pipelines.curate.SPLIT_BYTES", 0)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short ones, and one of three spans."""
    folder = tmp_path_factory.mktemp("films")
    for name, lengths, fps in (("1 short", (4, 5), 24), ("2 short", (3.5, 2), 24), ("3 long", (10,) * 13, 8)):
        film = folder / f"{name}.mp4"
        videos.shots_video(film, seconds=lengths, openings=("cut",) * len(lengths), fps=Fraction(fps))
        (folder / f"{name}.json").write_text(json.dumps({"caption": f"What {name} shows."}))
    return folder


@pytest.fixture(scope="module")
def begun(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of the short films."""
    short, out = tmp_path_factory.mktemp("short"), tmp_path_factory.mktemp("begun") / "out"
    for path in films.glob("* short.*"):
        shutil.copy2(path, short)
    curated(short, out)
    return out


@pytest.fixture(scope="module")
def whole(films: Path, begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All films curated, then filtered."""
    out = Path(shutil.copytree(begun, tmp_path_factory.mktemp("whole") / "out"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.curate.SPLIT_BYTES", 0)
        curated(films, out)
    filtered(out)
    return out


def tables(out: Path) -> list[pd.DataFrame]:
    return [pd.read_parquet(out / name) for name in ("clips", "sources")]


def assert_same(out: Path, undisturbed: Path) -> None:
    for table, expected in zip(tables(out), tables(undisturbed), strict=True):
        pd.testing.assert_frame_equal(table, expected)
    recipe = json.loads((out / "run.json").read_text())
    assert recipe["fingerprint"] == json.loads((undisturbed / "run.json").read_text())["fingerprint"]
    left = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    assert not {name for name in left if ".tmp" in name or "replaced" in name or "next" in name}
    assert not [name for name in left if name.split("/")[0] in ("attempts", "columns", "parts") and "/" in name]


@pytest.mark.parametrize("change", [decided, filtered, captioned])
def test_a_kill_at_any_step_of_a_change_leaves_the_old_recipe_or_the_new_one(
    begun: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    undisturbed = Path(shutil.copytree(begun, tmp_path / "undisturbed"))
    change(undisturbed)
    for step in itertools.count(1, 3):
        out = Path(shutil.copytree(begun, tmp_path / str(step)))
        code = ended(lambda out=out: change(out), Steps(step, "Manifest.rewrite_clips").watch)
        decide(os.fspath(out), recipe=None, assignments=[])
        recipe = json.loads((out / "run.json").read_text())
        assert fingerprint_of(pq.read_schema(next((out / "clips").iterdir()))) == recipe["fingerprint"]
        change(out)
        assert_same(out, undisturbed)
        if code == 0:
            break
    assert step > 8


def kill_when(happened: Callable[[], bool]) -> Callable[[], None]:
    """Let the process that calls it die as soon as something has happened."""

    def watch() -> None:
        while not happened():
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGKILL)

    return lambda: threading.Thread(target=watch, daemon=True).start()


@pytest.mark.slow
@pytest.mark.parametrize("when", ["one span of three is done", "clips are written and sources are not"])
def test_a_filter_after_a_curate_that_was_killed_reaches_what_that_had_found(
    films: Path, begun: Path, whole: Path, tmp_path: Path, when: str
) -> None:
    out = Path(shutil.copytree(begun, tmp_path / "out"))
    if when.startswith("one span"):
        prepare = kill_when(lambda: bool(list(out.glob("parts/*.parquet"))))
    else:
        before = set(out.glob("clips/*"))
        prepare = kill_when(lambda: set(out.glob("clips/*")) != before)
    assert ended(lambda: curated(films, out), prepare) == -signal.SIGKILL
    filtered(out)
    curated(films, out)
    assert_same(out, whole)
