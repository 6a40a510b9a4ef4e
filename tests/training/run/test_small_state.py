"""AdamW whose averages have 8 bits, and weights in bfloat16, train, stop and go on as AdamW does."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("torchao")

from tests.training.sequence_run import sequence_config
from tests.training.tiny_run import losses, run_ranks
from training.run.checkpoint import latest
from training.run.config import OptimizerConfig, TrainerConfig
from training.run.launch import train
from training.run.optimize import make_optimizer, set_rate
from training.run.runs import trained_module
from training.run.small_state import BLOCK, plain, shard_of
from training.run.start import _shapes_in

SCRIPT = "tests.training.sequence_run"
SMALL = "optimizer.state=8bit"
ROUNDED = ("optimizer.weights=bf16", "trainer.precision=bf16")


@pytest.fixture(autouse=True)
def _not_compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """torchao compiles its step; here it is the same step, operation by operation."""
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")  # of other processes
    with torch.compiler.set_stance("force_eager"):
        yield


@pytest.mark.parametrize("settings", [(SMALL,), ROUNDED, (SMALL, *ROUNDED)], ids=["8bit", "bf16", "both"])
def test_a_stopped_run_goes_on_exactly(tmp_path: Path, settings: tuple[str, ...]) -> None:
    train(sequence_config(tmp_path / "whole", *settings))
    train(sequence_config(tmp_path / "halves", *settings, "trainer.steps=3"))
    train(sequence_config(tmp_path / "halves", *settings))
    assert len(losses(tmp_path / "whole", "dit")) == 6
    assert losses(tmp_path / "whole", "dit") == losses(tmp_path / "halves", "dit")


def test_eight_bits_train_as_thirty_two_and_take_a_quarter(tmp_path: Path) -> None:
    train(sequence_config(tmp_path / "small", SMALL))
    train(sequence_config(tmp_path / "whole"))
    small, whole = (losses(tmp_path / name, "dit") for name in ("small", "whole"))
    assert small != whole
    assert small == pytest.approx(whole, rel=0.02)
    held = _shapes_in(latest(str(tmp_path / "small")))
    codes = {name: shape for name, shape in held.items() if name.endswith("exp_avg.codes")}
    assert held["optimizer.dit.dit.blocks.0.feed_forward.linear2.weight.exp_avg.scale"] == (64, 1)
    assert codes["optimizer.dit.dit.blocks.0.feed_forward.linear2.weight.exp_avg.codes"] == (64, 256)
    assert "optimizer.dit.dit.blocks.0.attention.q.weight.exp_avg" in held  # whose rows have 64


def test_two_ranks_in_shards_train_as_one_and_their_run_goes_on_on_one(tmp_path: Path) -> None:
    train(sequence_config(tmp_path / "one", SMALL))
    few = (SMALL, "trainer.strategy=fsdp2")
    run_ranks(2, tmp_path / "two", *few, "trainer.steps=3", script=SCRIPT)
    train(sequence_config(tmp_path / "two", SMALL))
    assert losses(tmp_path / "two", "dit") == pytest.approx(losses(tmp_path / "one", "dit"), rel=1e-3)


def test_ranks_that_hold_the_same_weights_round_them_alike() -> None:
    shards = {
        settings: [shard_of(TrainerConfig(steps=1, **dict(settings)), rank=rank, ranks=4) for rank in range(4)]
        for settings in (
            (("strategy", "ddp"),),
            (("strategy", "fsdp2"),),
            (("strategy", "fsdp2"), ("shard_ranks", 2)),
        )
    }
    assert [*shards.values()] == [[0, 0, 0, 0], [0, 1, 2, 3], [0, 1, 0, 1]]


@pytest.mark.attack
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_two_ranks_train_rounded_weights_as_one(tmp_path: Path, strategy: str) -> None:
    run_ranks(2, tmp_path / "two", *ROUNDED, f"trainer.strategy={strategy}", "trainer.steps=3", script=SCRIPT)
    train(sequence_config(tmp_path / "two", *ROUNDED))
    train(sequence_config(tmp_path / "one", *ROUNDED))
    assert losses(tmp_path / "two", "dit") == pytest.approx(losses(tmp_path / "one", "dit"), rel=0.02)


def test_a_run_in_bfloat16_is_sampled_with_its_float32_average(tmp_path: Path) -> None:
    train(sequence_config(tmp_path, *ROUNDED))
    weight = trained_module(str(tmp_path)).networks["dit"].dit.blocks[0].attention.q.weight
    assert weight.dtype == torch.float32
    assert not torch.equal(weight, weight.bfloat16().float())
    train(sequence_config(tmp_path / "without", *ROUNDED, "trainer.ema_decay=none"))
    weight = trained_module(str(tmp_path / "without")).networks["dit"].dit.blocks[0].attention.q.weight
    assert torch.equal(weight, weight.bfloat16().float())


def test_steps_too_small_for_bfloat16_are_taken_in_the_mean() -> None:
    weight = torch.nn.Parameter(torch.ones(64, 512, dtype=torch.bfloat16))
    config = OptimizerConfig(learning_rate=1e-4, weight_decay=0.0, weights="bf16")
    optimizer = make_optimizer([weight], config, torch.device("cpu"))
    torch.manual_seed(0)
    for _ in range(20):
        weight.grad = torch.ones_like(weight)
        set_rate(optimizer, 1e-4)
        optimizer.step()
    assert torch.equal((weight.detach() - 1e-4).bfloat16(), weight.detach())  # it would not have moved
    assert float(weight.detach().float().mean()) == pytest.approx(1 - 20e-4, abs=1e-4)


def test_the_state_of_a_checkpoint_is_that_of_the_optimizer() -> None:
    weight = torch.nn.Parameter(torch.randn(16, 2 * BLOCK))
    config = OptimizerConfig(state="8bit")
    optimizer = make_optimizer([weight], config, torch.device("cpu"))
    weight.grad = torch.randn(weight.shape)
    optimizer.step()
    held = plain(weight, optimizer.state[weight], config)
    assert {name: tuple(each.shape) for name, each in held.items()} == {
        "step": (),
        "exp_avg.codes": (16, 2 * BLOCK),
        "exp_avg.scale": (16, 2),
        "exp_avg_sq.codes": (16, 2 * BLOCK),
        "exp_avg_sq.scale": (16, 2),
    }
    held["exp_avg.scale"].zero_()
    assert not optimizer.state[weight]["exp_avg"].dequantize().any()


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"--set trainer\.precision=bf16"):
        sequence_config(tmp_path, "optimizer.weights=bf16")
    real = builtins.__import__

    def refusing(name: str, *rest, **settings):
        if name.startswith("torchao"):
            raise ImportError(name)
        return real(name, *rest, **settings)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(ValueError, match=r"torchao's, which is not installed: .*\.\[small\]"):
        train(sequence_config(tmp_path, SMALL))
