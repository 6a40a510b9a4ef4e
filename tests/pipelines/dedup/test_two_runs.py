"""From videos to marks: two runs into one manifest find each other's copies, and `filter phash` makes old ones fit."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from examples.demo_films.encode import write_video
from filters.brightness import BrightnessScorer
from filters.phash import PhashScorer
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.dedup.likeness import ByPhash
from pipelines.dedup.run import dedup
from pipelines.recipe import recipes
from tests.buckets import make_bucket, moto_server, use_server
from tests.filters.prints.scenes import street, walk

CONFIG = replace(recipes.default(), scorers=(BrightnessScorer(), PhashScorer()), rules=())
RATE = Fraction(8)


def film(path: Path, seed: int, *, height: int = 180, crf: int = 20, place: int | None = None) -> None:
    """Five seconds of a walk, or of a street at `place`."""
    frames = walk(seed, fps=8) if place is None else street(seed, place=place, fps=8)
    size = (2 * round(height * 16 / 18), height)
    shown = (cv2.cvtColor(cv2.resize(frame, size), cv2.COLOR_GRAY2BGR) for frame in frames)
    write_video(path, (np.asarray(frame, np.uint8) for frame in shown), fps=RATE, options={"crf": str(crf)})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The second has a copy of one of the first, smaller and coded worse."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    film(first / "walk.mp4", 0)
    film(first / "street.mp4", 0, place=1)
    film(second / "copy.mp4", 0, height=120, crf=34)
    film(second / "later.mp4", 1, place=1)
    return first, second


def repeats(out: str) -> dict[str, str]:
    """Name of the film by name of the one that stays in its stead."""
    clips = pd.read_parquet(f"{out}/clips")
    names = dict(zip(clips["clip_id"], clips["source_uri"].str.rpartition("/")[2], strict=True))
    marked = clips[clips["duplicate_of"].notna()]
    assert (marked["status"] == "rejected").all()
    return {names[clip]: names[of] for clip, of in zip(marked["clip_id"], marked["duplicate_of"], strict=True)}


def test_two_runs_into_one_manifest(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = os.fspath(tmp_path / "out")
    curate(os.fspath(runs[0]), out, CONFIG, engine="in-process")
    dedup(out, ByPhash())
    assert repeats(out) == {}
    curate(os.fspath(runs[1]), out, CONFIG, engine="in-process")
    dedup(out, ByPhash())
    assert repeats(out) == {"copy.mp4": "walk.mp4"}


def test_a_manifest_of_before_is_filled_by_the_filter_alone(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out, other = os.fspath(tmp_path / "out"), os.fspath(tmp_path / "other")
    curate(os.fspath(runs[0]), other, CONFIG, engine="in-process")
    curate(os.fspath(runs[1]), out, replace(CONFIG, scorers=(BrightnessScorer(),)), engine="in-process")
    assert main(["dedup", out, "--against", other]) == 1
    assert main(["filter", "phash", out, "--engine", "in-process"]) == 0
    assert main(["dedup", out, "--against", other]) == 0
    clips = pd.read_parquet(f"{out}/clips")
    assert clips.loc[clips["duplicate_in"].notna(), "source_uri"].str.endswith("copy.mp4").tolist() == [True]
    assert main(["filter", "contrast", out, "--engine", "in-process"]) == 0
    again = pd.read_parquet(f"{out}/clips")
    assert again["reasons"].map(list).tolist() == clips["reasons"].map(list).tolist()


def test_manifests_in_a_bucket(runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_server() as address:
        use_server(monkeypatch, address)
        out, other = f"{make_bucket('curated')}/out", f"{make_bucket('evaluation')}/held out"
        curate(os.fspath(runs[0]), out, CONFIG, engine="in-process")
        curate(os.fspath(runs[1]), other, CONFIG, engine="in-process")
        found = dedup(out, ByPhash(), against=other)
        assert (found.num_clips, found.num_repeats) == (2, 1)
        assert dedup(out, ByPhash(), against=other) == found
