"""A network that no rank could hold: made without memory, filled in shards, and trained and saved as a whole one is."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.distributed.tensor import DTensor

from tests.training.ranks import in_ranks
from tests.training.tiny_dit_run import tiny_dit_config
from tests.training.tiny_run import losses, run_ranks
from training.models.lora import lora_parameters
from training.run.checkpoint import latest, read_networks
from training.run.distributed import world
from training.run.launch import train
from training.run.module import TrainModule, give_memory
from training.run.turn import NetworkTurn

SCRIPT = "tests.training.tiny_dit_run"
SHARDED = "trainer.strategy=fsdp2"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer, of a network made whole on one rank."""
    out = tmp_path_factory.mktemp("base")
    run_ranks(1, out, "objective.whole=true", script=SCRIPT)
    return out


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA on it."""
    out = tmp_path_factory.mktemp("tuned")
    run_ranks(1, out, f"objective.base={base}", script=SCRIPT)
    return out


@pytest.mark.parametrize("with_lora", [False, True])
def test_shards_have_the_first_weights_of_a_whole_network(base: Path, tmp_path: Path, with_lora: bool) -> None:
    setting = (f"objective.base={base}",) if with_lora else ()
    assert in_ranks(2, _fill_shards, tmp_path, setting) == 0
    whole = _built(tmp_path, "objective.whole=true", *setting).networks["dit"]
    held = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for name, weight in whole.named_parameters():
        assert torch.equal(torch.cat([shards[name] for shards in held]), weight), name
    assert len(held[0]) == len(list(whole.parameters()))
    halves = [sum(shard.numel() for shard in shards.values()) for shards in held]
    assert sum(halves) == sum(weight.numel() for weight in whole.parameters())
    assert max(halves) < 0.55 * sum(halves)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_two_ranks_train_as_one_rank_trains_a_whole_network(base: Path, tmp_path: Path, strategy: str) -> None:
    done = run_ranks(2, tmp_path, f"trainer.strategy={strategy}", script=SCRIPT)
    assert "Warning" not in done.stderr
    assert len(losses(tmp_path, "dit")) == 8
    assert losses(tmp_path, "dit") == pytest.approx(losses(base, "dit"), abs=1e-6)
    averages = [_weights(run) for run in (tmp_path, base)]
    torch.testing.assert_close(*averages, rtol=0, atol=1e-4)


@pytest.mark.attack
def test_a_lora_on_shards_trains_as_one_on_a_whole_network(base: Path, tuned: Path, tmp_path: Path) -> None:
    setting = f"objective.base={base}"
    run_ranks(1, tmp_path / "whole", setting, "objective.whole=true", script=SCRIPT)
    assert losses(tuned, "dit") == losses(tmp_path / "whole", "dit")
    run_ranks(2, tmp_path / "shards", setting, SHARDED, "trainer.activation_checkpointing=true", script=SCRIPT)
    assert losses(tmp_path / "shards", "dit") == pytest.approx(losses(tuned, "dit"), abs=1e-5)
    run_ranks(2, tmp_path / "copies", setting, script=SCRIPT)
    assert losses(tmp_path / "copies", "dit") == pytest.approx(losses(tuned, "dit"), abs=1e-5)


def test_a_checkpoint_of_a_lora_holds_the_lora_alone(base: Path, tuned: Path) -> None:
    kinds = [_held(base), _held(tuned)]
    assert not any("lora" in name for name in kinds[0])
    assert {name.partition(".")[0] for name in kinds[1]} == {"network", "average", "optimizer"}
    assert all("lora" in name for name in kinds[1])


@pytest.mark.parametrize("with_lora", [False, True])
def test_killed_it_ends_as_undisturbed(base: Path, tuned: Path, tmp_path: Path, with_lora: bool) -> None:
    setting = (f"objective.base={base}",) if with_lora else ()
    done = run_ranks(1, tmp_path, *setting, "objective.dies_at_step=5", script=SCRIPT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(losses(tmp_path, "dit")) == 5
    run_ranks(1, tmp_path, *setting, script=SCRIPT)
    undisturbed = tuned if with_lora else base
    assert losses(tmp_path, "dit") == losses(undisturbed, "dit")
    torch.testing.assert_close(_weights(tmp_path, *setting), _weights(undisturbed, *setting), rtol=0, atol=0)


def test_what_is_read_back_is_the_base_with_the_change(base: Path, tuned: Path) -> None:
    made = _weights(tuned, f"objective.base={base}")
    changes = {name for name in made if "lora" in name}
    assert any(made[name].any() for name in changes if name.endswith("lora_up"))
    torch.testing.assert_close({name: made[name] for name in made.keys() - changes}, _weights(base), rtol=0, atol=0)


def test_a_lora_of_another_base_is_refused(base: Path, tuned: Path, tmp_path: Path) -> None:
    other, run = tmp_path / "base", tmp_path / "run"
    shutil.copytree(base, other)
    shutil.copytree(tuned, run)
    _weights(run, f"objective.base={other}")  # the same, at another place
    train(tiny_dit_config(other, "trainer.steps=9"))
    refused = r"newest checkpoint is step_00000009-\w+, but what was trained is for step_00000008-\w+"
    with pytest.raises(ValueError, match=refused):
        _weights(run, f"objective.base={other}")
    with pytest.raises(ValueError, match=refused):
        train(tiny_dit_config(run, f"objective.base={other}", "trainer.steps=9"))


class Rotated(torch.nn.Linear):
    """With a table that is computed and not saved."""

    def __init__(self, device: str) -> None:
        super().__init__(4, 4)
        self.register_buffer("table", torch.arange(4.0, device=device), persistent=False)


def test_buffers_keep_what_was_computed() -> None:
    with torch.device("meta"):
        network = Rotated("cpu")
    give_memory(network, torch.device("cpu"))
    assert not network.weight.is_meta
    assert network.table.tolist() == [0, 1, 2, 3]
    with torch.device("meta"):
        lost = Rotated("meta")
    with pytest.raises(ValueError, match="table is a buffer without values"):
        give_memory(lost, torch.device("cpu"))


def _fill_shards(out: Path, settings: tuple[str, ...]) -> None:
    """Make a network and what trains it on one of two ranks; keep this rank's shards."""
    config = tiny_dit_config(out, SHARDED, *settings)
    with world() as here:
        module = config.objective.build(config)
        network, fill = module.networks["dit"], module.first_weights
        assert all(weight.is_meta for weight in network.parameters())

        def fill_shards(name: str) -> None:
            assert all(isinstance(weight, DTensor) for weight in network.parameters()), "memory before it was sharded"
            fill(name)

        module.first_weights = fill_shards
        turn = NetworkTurn(config, module, "dit", here)
        shards = {name: weight.detach().to_local() for name, weight in network.named_parameters()}
        trained = sum(shards[name].numel() for name in (lora_parameters(network) or shards))
        kept = {name: value for name, value in turn.tensors().items() if value.ndim}
        assert sum(value.to_local().numel() for value in kept.values()) == 4 * trained  # and average, two of AdamW
        torch.save(shards, out / f"{here.rank}.pt")


def _built(out: Path, *settings: str) -> TrainModule:
    config = tiny_dit_config(out, *settings)
    return config.objective.build(config)


def _weights(out: Path, *settings: str) -> dict[str, torch.Tensor]:
    """The averaged weights of a run."""
    module = _built(out, *settings)
    read_networks(str(out), module)
    return module.networks["dit"].state_dict()


def _held(out: Path) -> set[str]:
    """The names in a run's newest checkpoint."""
    newest = latest(str(out))
    assert newest is not None
    names: set[str] = set()
    for path in newest.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            names |= set(file.keys())
    return names
