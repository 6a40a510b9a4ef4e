"""What a crash leaves is never taken for a checkpoint; what is one can be read whole or refused with a reason."""

from __future__ import annotations

import json
import resource
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from safetensors import safe_open

from preprocess.errors import StorageError
from tests.training.tiny_run import losses, tiny_config
from training.run.checkpoint import complete, latest, read_networks, read_tensors
from training.run.distributed import world
from training.run.launch import train
from training.run.saving import Checkpoints
from training.run.turn import NonFiniteError


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


def test_of_older_ones_what_only_a_run_that_goes_on_needs_is_deleted(run: Path, tmp_path: Path) -> None:
    """Sixteen bytes a weight, each of which is somewhere else in two newer checkpoints or cannot be derived."""
    out = tmp_path / "run"
    train(tiny_config(out, "trainer.keep_checkpoints=4"))
    checkpoints = complete(out / "checkpoints")
    held = [names(each) for each in checkpoints]
    kinds = [{name.split(".")[0] for name in each} for each in held]
    whole = {"network", "optimizer", "average"}
    assert kinds == [{"network", "average"}] * 2 + [whole] * 2
    bytes_of = [sum(file.stat().st_size for file in each.glob("*.safetensors")) for each in checkpoints]
    assert bytes_of[0] < 0.6 * bytes_of[-1]
    assert losses(out) == losses(run)
    for newer in checkpoints[1:]:
        shutil.rmtree(newer)
    assert read_networks(str(out), tiny_config(out).objective.build(tiny_config(out))) == 5
    with pytest.raises(ValueError, match=r"the optimizer's state went when newer checkpoints came.*objective\.start"):
        train(tiny_config(out))


def test_a_checkpoint_that_is_under_way_outlives_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = dcp.async_save

    def slowly(*arguments: Any, **settings: Any) -> Any:
        return ThreadPoolExecutor(1).submit(lambda: (time.sleep(0.5), written(*arguments, **settings).result())[1])

    monkeypatch.setattr(dcp, "async_save", slowly)
    with pytest.raises(NonFiniteError, match="step 6"):
        train(tiny_config(tmp_path, "objective.main_broken_from=6"))
    assert [each.name for each in complete(tmp_path / "checkpoints")] == ["step_00000005"]


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


def names(checkpoint: Path) -> set[str]:
    found: set[str] = set()
    for file in checkpoint.glob("*.safetensors"):
        with safe_open(file, framework="pt") as shard:
            found |= set(shard.keys())
    return found


def save(checkpoints: Checkpoints, tensors: dict[str, torch.Tensor]) -> None:
    checkpoints.save(2, tensors, {"step": 2})
    checkpoints.finish()
