"""What weights to begin with are worth, on the shapes corpus: minutes of training, so no part of `make test`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.shapes_runs import base_runs, dit_config
from training.run.launch import train
from training.run.metrics import read_rows

pytestmark = pytest.mark.attack


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A trained autoencoder and a transformer at 32 pixels."""
    known = os.environ.get("SHAPES_RUNS")
    return base_runs(Path(known) if known else tmp_path_factory.mktemp("base"))


def held_out(run: Path) -> dict[int, float]:
    rows = read_rows(str(run))
    return {row["step"]: row["held_out/loss"] for row in rows if "held_out/loss" in row}


def test_stage_two_begins_better_than_200_steps_from_nothing(base: tuple[Path, Path], tmp_path: Path) -> None:
    vae, dit = base
    config = dit_config(tmp_path / "new", vae, steps=200, size=64)
    train(config)
    started = replace(config, objective=replace(config.objective, start=str(dit)), out=str(tmp_path / "started"))
    train(replace(started, trainer=replace(started.trainer, steps=1)))
    new, at_once = held_out(tmp_path / "new"), held_out(tmp_path / "started")
    print(f"held-out loss: new {new}, started {at_once}")
    assert at_once[0] < new[200]
