"""The same run by Ray Train's workers: the same losses on the same samples."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from cluster.by_value import send_along
from cluster.ray_train import run_on_workers
from preprocess.io.names import elsewhere, recipe_named
from preprocess.io.trees import load
from tests.training.tiny_run import ROOT, losses, seen, tiny_config
from training.run.checkpoint import latest, read_state
from training.run.config import TrainConfig
from training.run.launch import train


@pytest.mark.slow
@pytest.mark.cluster
def test_ray_trains_as_one_rank(tmp_path: Path) -> None:
    """Also where one of two is killed in between, and both are started anew."""
    dies = ("objective.dies_at_step=7", "objective.dies_once=true")
    one, two = tiny_config(tmp_path / "one"), tiny_config(tmp_path / "two", *dies)
    train(one)
    storage = str(tmp_path / "ray")
    run_on_workers(partial(train, two), workers=2, address=None, working_dir=str(ROOT), storage=storage, restarts=1)
    assert (tmp_path / "two" / "died").exists()
    assert len(losses(tmp_path / "two")) == 20
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    assert seen(tmp_path / "two") == seen(tmp_path / "one")
    assert (tmp_path / "two" / "seen_1.jsonl").exists()


OWN_OBJECTIVE = """
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.training.tiny_run import TinyObjective, tiny_config
from training.run.config import TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnObjective(TinyObjective):
    weights: Mapping[str, float] = field(default_factory=lambda: {"a": 1.0})


def own(manifest: str, out: str) -> TrainConfig:
    config = tiny_config(out, "trainer.steps=2")
    return replace(config, objective=OwnObjective())
"""


@pytest.mark.attack
@pytest.mark.cluster
def test_an_objective_in_ones_own_file_travels_to_workers(tmp_path: Path) -> None:
    """They have no such file, and keep the run's config all the same."""
    file, out = tmp_path / "objective_of_mine.py", tmp_path / "run"
    file.write_text(OWN_OBJECTIVE)
    config = recipe_named(f"{file}:own", "training.recipes", TrainConfig, "", str(out))
    send_along(elsewhere(config))
    storage = str(tmp_path / "ray")
    run_on_workers(partial(train, config), workers=2, address=None, working_dir=str(ROOT), storage=storage)
    checkpoint = latest(str(out))
    assert checkpoint is not None
    assert load(read_state(checkpoint)["config"], TrainConfig) == config
