"""What a crash leaves is never taken for a checkpoint; what is one can be read whole or refused with a reason."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest
import torch

from preprocess.errors import StorageError
from tests.training.tiny_run import losses, tiny_config
from training.run.checkpoint import Checkpoints, complete, latest, read_networks, read_tensors
from training.run.distributed import world
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


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_disk_that_is_full_is_told_with_the_checkpoint_that_is_safe(tmp_path: Path, asynchronous: bool) -> None:
    """As a limit on the size of files has it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    state = {"step": 1}
    with world() as here:
        checkpoints = Checkpoints(str(tmp_path), here, keep=2, asynchronous=asynchronous)
        checkpoints.save(1, {"network.a": torch.zeros(8)}, state)
        checkpoints.finish()
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
        try:
            with pytest.raises(StorageError) as caught:
                save(checkpoints, {"network.a": torch.zeros(1 << 20)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    told = str(caught.value)
    assert "step_00000002 cannot be written: File too large; step_00000001 is safe" in told
    assert "Traceback" not in told
    assert [each.name for each in complete(tmp_path / "checkpoints")] == ["step_00000001"]


def save(checkpoints: Checkpoints, tensors: dict[str, torch.Tensor]) -> None:
    checkpoints.save(2, tensors, {"step": 2})
    checkpoints.finish()
