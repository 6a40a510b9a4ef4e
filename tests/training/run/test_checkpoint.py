"""What a crash leaves is never taken for a checkpoint; what is one can be read whole or refused with a reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.training.tiny_run import losses, tiny_config
from training.run.checkpoint import complete, latest, read_networks, read_tensors
from training.run.launch import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(tiny_config(out, "trainer.keep_checkpoints=2"))
    return out


def test_the_newest_are_kept(run: Path) -> None:
    assert [each.name for each in complete(run / "checkpoints")] == ["step_00000015", "step_00000020"]
    assert len(list((run / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize("damage", ["shard cut", "shard gone", "state gone", "state cut"])
def test_a_torn_one_is_ignored(run: Path, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    newest = out / "checkpoints" / "step_00000020"
    shard, state = next(newest.glob("*.safetensors")), newest / "state.json"
    if damage.endswith("gone"):
        (shard if damage.startswith("shard") else state).unlink()
    else:
        cut = shard if damage.startswith("shard") else state
        cut.write_bytes(cut.read_bytes()[:-100])
    left = latest(str(out))
    assert left is not None
    assert left.name == "step_00000015"
    train(tiny_config(out))  # from step 15; the torn one is replaced
    assert latest(str(out)) == newest
    assert losses(out) == losses(run)


def test_an_unfinished_one_is_removed(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    unfinished = out / "checkpoints" / "step_00000025.unfinished"
    shutil.copytree(out / "checkpoints" / "step_00000020", unfinished)
    assert latest(str(out)) == out / "checkpoints" / "step_00000020"
    train(tiny_config(out))
    assert not unfinished.exists()


def test_another_network_is_refused(run: Path) -> None:
    checkpoint = latest(str(run))
    assert checkpoint is not None
    with pytest.raises(ValueError, match=r"network.main.first.weight is \(6, 13\), expected \(6, 14\)"):
        read_tensors(checkpoint, {"network.main.first.weight": torch.empty(6, 14)})
    with pytest.raises(ValueError, match=r"other\.weight is missing"):
        read_tensors(checkpoint, {"network.other.weight": torch.empty(1)})


def test_another_seed_is_refused(run: Path) -> None:
    with pytest.raises(ValueError, match="of seed 0, the recipe's is 1"):
        train(tiny_config(run, "trainer.seed=1"))


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    with pytest.raises(ValueError, match="no complete checkpoint"):
        read_networks(str(tmp_path), config.objective.build(config))


def test_rows_of_lost_steps_are_made_again(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    with (out / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 23, "loss/main": 1.0}) + "\n" + '{"step": 24, "lo')
    train(tiny_config(out, "trainer.steps=22"))
    assert list(losses(out)) == list(range(1, 23))
