"""Two ranks train as one does on the same samples, and take over from each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from tests.training.tiny_run import losses, run_ranks, seen, tiny_config
from training.run.checkpoint import latest, read_networks, read_state
from training.run.launch import train

JUDGED = "objective.judged=true"


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one_rank")
    run_ranks(1, out, JUDGED)
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ("trainer.strategy=ddp", "trainer.accumulation=2"),
        ("trainer.strategy=fsdp2", "trainer.activation_checkpointing=true", "trainer.async_checkpoints=true"),
    ],
)
def test_two_ranks_train_as_one(one_rank: Path, tmp_path: Path, settings: tuple[str, ...]) -> None:
    done = run_ranks(2, tmp_path, JUDGED, *settings, torchrun="trainer.strategy=fsdp2" in settings)
    assert "Warning" not in done.stderr
    assert len(losses(tmp_path)) == 20
    for network in ("main", "judge"):
        assert losses(tmp_path, network) == pytest.approx(losses(one_rank, network), abs=1e-5)
    assert seen(tmp_path) == seen(one_rank)
    assert_timesteps_differ(told(tmp_path, 0), told(tmp_path, 1))
    for averaged in (True, False):
        torch.testing.assert_close(weights(tmp_path, averaged), weights(one_rank, averaged), rtol=0, atol=1e-5)
    checkpoint = latest(str(tmp_path))
    assert checkpoint is not None
    assert len(read_state(checkpoint)["files"]) == 2 * 2  # of each rank weights, and what the optimizer keeps
    assert [path.name for path in tmp_path.glob("measured_by_*")] == ["measured_by_0"]


def test_figures_are_exchanged_while_a_checkpoint_is_written(one_rank: Path, tmp_path: Path) -> None:
    settings = (JUDGED, "trainer.strategy=fsdp2", "trainer.async_checkpoints=true")
    run_ranks(2, tmp_path, *settings, script="tests.training.slow_disk_run")
    assert losses(tmp_path) == pytest.approx(losses(one_rank), abs=1e-5)
    torch.testing.assert_close(weights(tmp_path, True), weights(one_rank, True), rtol=0, atol=1e-5)


def test_two_ranks_go_on_where_one_stopped(one_rank: Path, tmp_path: Path) -> None:
    stop = ("objective.dies_at_step=6", "objective.dies_of=15")
    assert run_ranks(1, tmp_path, JUDGED, *stop, check=False).returncode == 143
    # The first of two is told to stop; both do, after the same step.
    stop = ("objective.dies_at_step=12", "objective.dies_of=15")
    done = run_ranks(2, tmp_path, JUDGED, *stop, "trainer.strategy=fsdp2", check=False)
    assert "stopped by signal 15 after step 13" in done.stderr
    run_ranks(2, tmp_path, JUDGED)
    assert losses(tmp_path) == pytest.approx(losses(one_rank), abs=1e-5)
    assert seen(tmp_path) == seen(one_rank)  # none lost, none twice with another timestep


def test_ranks_agree_to_leave_a_step_out(one_rank: Path, tmp_path: Path) -> None:
    clip = sorted(seen(one_rank)[6])[0][0]  # one rank has it
    broken = (f"objective.broken_clip={clip}", "objective.broken_step=6", "trainer.non_finite=skip")
    train(tiny_config(tmp_path / "one", *broken))
    done = run_ranks(2, tmp_path / "two", *broken)
    assert re.search(rf"step 6: main's loss or gradient is no number \(rank \d: [^;]*\b{clip}\b[^;]*\)", done.stderr)
    assert len(losses(tmp_path / "two")) == 19
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)


def told(out: Path, rank: int) -> list[tuple[int, str, float]]:
    """Step, clip and timestep of each sample of a rank."""
    rows = [json.loads(line) for line in (out / f"seen_{rank}.jsonl").read_text().splitlines()]
    return [(row["step"], *pair) for row in rows for pair in zip(row["clips"], row["times"], strict=True)]


def assert_timesteps_differ(first: list[tuple[int, str, float]], second: list[tuple[int, str, float]]) -> None:
    """No timestep came up on both ranks, unless for one clip in one step, where an epoch ended and the next began."""
    clips = {time: (step, clip) for step, clip, time in first}
    shared = [(clips[time], (step, clip)) for step, clip, time in second if time in clips]
    assert len(shared) <= 4
    assert all(here == there for here, there in shared)


def weights(out: Path, averaged: bool) -> dict[str, torch.Tensor]:
    config = tiny_config(out, JUDGED)
    module = config.objective.build(config)
    assert read_networks(str(out), module, averaged=averaged) == 20
    return {f"{name}.{key}": t for name, net in module.networks.items() for key, t in net.state_dict().items()}


COPIES = ("trainer.strategy=fsdp2", "trainer.shard_ranks=2")


@pytest.mark.parametrize(
    ("ranks", "settings"),
    [
        pytest.param(4, (*COPIES, "trainer.accumulation=2"), marks=pytest.mark.attack),
        (2, ("trainer.strategy=fsdp2", "trainer.accumulation=2", "trainer.gradients_whole=true")),
    ],
)
def test_copies_of_shards_train_as_one_rank(
    one_rank: Path, tmp_path: Path, ranks: int, settings: tuple[str, ...]
) -> None:
    done = run_ranks(ranks, tmp_path, JUDGED, *settings)
    assert "Warning" not in done.stderr
    for network in ("main", "judge"):
        assert losses(tmp_path, network) == pytest.approx(losses(one_rank, network), abs=1e-5)
    assert seen(tmp_path) == seen(one_rank)
    for averaged in (True, False):
        torch.testing.assert_close(weights(tmp_path, averaged), weights(one_rank, averaged), rtol=0, atol=1e-5)


@pytest.mark.attack
def test_a_run_of_copies_goes_on_on_one_rank(one_rank: Path, tmp_path: Path) -> None:
    stop = ("objective.dies_at_step=6", "objective.dies_of=15")
    run_ranks(4, tmp_path, JUDGED, *COPIES, *stop, check=False)
    run_ranks(1, tmp_path, JUDGED)
    assert losses(tmp_path) == pytest.approx(losses(one_rank), abs=1e-5)


def test_ranks_that_do_not_fill_copies_are_refused(tmp_path: Path) -> None:
    done = run_ranks(2, tmp_path, "trainer.strategy=fsdp2", "trainer.shard_ranks=3", check=False)
    assert "2 ranks cannot be divided into groups of trainer.shard_ranks=3" in done.stderr


@pytest.mark.parametrize(
    ("ranks", "settings", "scattered", "copied"),
    [
        (2, (), 4, 0),
        (2, ("trainer.gradients_whole=true",), 1, 0),
        pytest.param(4, ("trainer.shard_ranks=2",), 4, 1, marks=pytest.mark.attack),
    ],
)
def test_how_often_a_step_exchanges_gradients(
    tmp_path: Path, ranks: int, settings: tuple[str, ...], scattered: int, copied: int
) -> None:
    """Of two blocks and the rest, for each of which gradients are exchanged by themselves."""
    size = ("data.samples=16", "trainer.accumulation=4", "trainer.steps=2", "trainer.strategy=fsdp2")
    run_ranks(ranks, tmp_path, *size, *settings, script="tests.training.counted_run")
    for rank in range(ranks):
        counts = json.loads((tmp_path / f"counts_{rank}.json").read_text())
        assert counts == {"scattered": 2 * 3 * scattered, "copied": 2 * 3 * copied}
