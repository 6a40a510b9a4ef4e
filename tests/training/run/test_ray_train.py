"""The same run by Ray Train's workers: the same losses on the same samples."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from cluster.ray_train import run_on_workers
from tests.training.tiny_run import ROOT, losses, seen, tiny_config
from training.run.launch import train


@pytest.mark.slow
@pytest.mark.cluster
def test_ray_trains_as_one_rank(tmp_path: Path) -> None:
    one, two = tiny_config(tmp_path / "one"), tiny_config(tmp_path / "two")
    train(one)
    storage = str(tmp_path / "ray")
    run_on_workers(partial(train, two), workers=2, address=None, working_dir=str(ROOT), storage=storage)
    assert len(losses(tmp_path / "two")) == 20
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    assert seen(tmp_path / "two") == seen(tmp_path / "one")
    assert (tmp_path / "two" / "seen_1.jsonl").exists()
