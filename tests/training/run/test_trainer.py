"""A run goes on where it was killed, to the last bit; a step that is no number is not taken; a signal is obeyed."""

from __future__ import annotations

import os
import signal
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training import tiny_run
from tests.training.tiny_run import Blocks, losses, run_ranks, seen, tiny_batch, tiny_config
from training.run.checkpoint import latest, read_networks, read_tensors
from training.run.distributed import world
from training.run.ema import Ema
from training.run.launch import train
from training.run.metrics import read_rows
from training.run.module import Batch
from training.run.signals import stop_wish
from training.run.turn import NetworkTurn, NonFiniteError

DEATHS = [int(step) for step in np.sort(np.random.default_rng(4).choice(np.arange(1, 20), 3, replace=False))]


def test_killed_run_ends_as_undisturbed(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    setting = "objective.judged=true"
    run_ranks(1, undisturbed, setting)
    for step in DEATHS:
        done = run_ranks(1, killed, setting, f"objective.dies_at_step={step}", check=False)
        assert done.returncode == -signal.SIGKILL
    run_ranks(1, killed, setting)
    assert len(losses(undisturbed)) == 20
    assert losses(killed) == losses(undisturbed)
    assert losses(killed, "judge") == losses(undisturbed, "judge")
    assert seen(killed) == seen(undisturbed)
    assert held_out(killed) == held_out(undisturbed)


def test_killed_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    always = ("trainer.async_checkpoints=true", "trainer.checkpoint_every=1")
    train(tiny_config(tmp_path / "undisturbed"))
    done = run_ranks(1, tmp_path / "killed", *always, "objective.dies_at_step=9", check=False)
    assert done.returncode == -signal.SIGKILL
    train(tiny_config(tmp_path / "killed", *always))
    together = {**losses(tmp_path / "undisturbed")}
    assert losses(tmp_path / "killed").keys() == together.keys()
    assert losses(tmp_path / "killed") == pytest.approx(together, abs=1e-6)  # other thread counts, so not to the bit


def test_sigterm_makes_a_checkpoint(tmp_path: Path) -> None:
    done = run_ranks(1, tmp_path / "told", "objective.dies_at_step=7", "objective.dies_of=15", check=False)
    assert done.returncode == 143
    newest = latest(str(tmp_path / "told"))
    assert newest is not None
    assert newest.name == "step_00000008"
    assert "stopped by signal 15 after step 8" in done.stderr
    run_ranks(1, tmp_path / "told")
    run_ranks(1, tmp_path / "undisturbed")
    assert losses(tmp_path / "told") == losses(tmp_path / "undisturbed")
    assert seen(tmp_path / "told") == seen(tmp_path / "undisturbed")


@pytest.mark.parametrize(("number", "ends_by"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGKILL)])
def test_reading_processes_leave_signals_to_the_trainer(number: int, ends_by: int) -> None:
    ready, told = os.pipe()
    with stop_wish() as wish:
        child = os.fork()
        if child == 0:
            os.write(told, b"!")
            time.sleep(600)
            os._exit(0)
        os.read(ready, 1)  # a signal before Python's own clean-up after a fork would be lost
        os.kill(child, number)
        if number == signal.SIGINT:
            time.sleep(0.2)
            assert os.waitpid(child, os.WNOHANG) == (0, 0)
            os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -ends_by
        assert wish.signal is None


def test_a_step_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    train(tiny_config(tmp_path / "whole", "trainer.steps=9"))
    clip = sorted(seen(tmp_path / "whole")[6])[0][0]
    broken = (f"objective.broken_clip={clip}", "objective.broken_step=6", "trainer.checkpoint_every=6")
    with pytest.raises(NonFiniteError, match=f"step 6: main's loss.*rank 0: .*{clip}"):
        train(tiny_config(tmp_path / "broken", *broken))
    assert len(losses(tmp_path / "broken")) == 6


def test_a_step_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    train(tiny_config(tmp_path / "whole", "trainer.steps=9"))
    clip = sorted(seen(tmp_path / "whole")[6])[0][0]
    broken = (f"objective.broken_clip={clip}", "objective.broken_step=6", "trainer.non_finite=skip")
    for steps in (6, 7):
        train(tiny_config(tmp_path / str(steps), *broken, f"trainer.steps={steps}", "optimizer.schedule=constant"))
    before, after = Blocks(), Blocks()
    read_main(tmp_path / "6", before)
    read_main(tmp_path / "7", after)
    torch.testing.assert_close(after.state_dict(), before.state_dict(), rtol=0, atol=0)
    rows = {row["step"]: row for row in read_rows(str(tmp_path / "7"))}
    assert rows[7]["skipped/main"] == 1
    assert "loss/main" not in rows[7]


def test_skipping_has_an_end(tmp_path: Path) -> None:
    endless = ("objective.broken_step=0", "trainer.non_finite=skip", "trainer.skips_in_a_row=1")
    train(tiny_config(tmp_path / "whole", "trainer.steps=2"))
    first, second = (sorted(seen(tmp_path / "whole")[step])[0][0] for step in (0, 1))
    train(tiny_config(tmp_path / "one", *endless, f"objective.broken_clip={first}", "trainer.steps=2"))
    config = tiny_config(tmp_path / "two", *endless, "optimizer.learning_rate=1e30", f"objective.broken_clip={second}")
    with pytest.raises(NonFiniteError, match="has not stepped"):
        train(config)


def test_a_network_that_is_never_a_number_ends_the_run_whatever_its_judge_does(tmp_path: Path) -> None:
    broken = ("objective.judged=true", "objective.main_broken_from=4", "trainer.non_finite=skip")
    settings = (*broken, "trainer.skips_in_a_row=3", "optimizer.schedule=constant")
    train(tiny_config(tmp_path, *settings, "trainer.steps=6"))
    with pytest.raises(NonFiniteError, match="step 7: main's loss"):
        train(tiny_config(tmp_path, *settings))
    assert 7 in losses(tmp_path, "judge")


def test_accumulation_is_a_larger_batch(tmp_path: Path) -> None:
    train(tiny_config(tmp_path / "whole"))
    train(tiny_config(tmp_path / "parts", "trainer.accumulation=4"))
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), abs=1e-5)
    assert seen(tmp_path / "parts") == seen(tmp_path / "whole")


def test_of_batches_that_accumulate_one_is_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """8-bit ones, whose pixels on the device are tensors of their own."""
    alive: list[weakref.ref[torch.Tensor]] = []
    most, to = 0, Batch.to

    def watched(self: Batch, device: torch.device) -> Batch:
        nonlocal most
        moved = to(self, device)
        alive.append(weakref.ref(moved.video))
        most = max(most, sum(pixels() is not None for pixels in alive))
        return moved

    def of_8_bits(clips: Sequence[int]) -> Batch:
        batch = tiny_batch(clips)
        return replace(batch, video=(batch.video * 40 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 4, 1))

    monkeypatch.setattr(Batch, "to", watched)
    monkeypatch.setattr(tiny_run, "tiny_batch", of_8_bits)
    train(tiny_config(tmp_path, "trainer.accumulation=4", "trainer.steps=2"))
    assert len(alive) >= 8
    assert most == 1


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_looking_changes_nothing(tmp_path: Path, strategy: str) -> None:
    setting = (f"trainer.strategy={strategy}", "trainer.activation_checkpointing=true")
    train(tiny_config(tmp_path / "often", *setting, "trainer.eval_every=1", "trainer.checkpoint_every=1"))
    train(tiny_config(tmp_path / "seldom", *setting, "trainer.eval_every=100", "trainer.log_every=1"))
    assert losses(tmp_path / "often") == losses(tmp_path / "seldom")


def test_bf16_keeps_float32_weights_and_averages(tmp_path: Path) -> None:
    train(tiny_config(tmp_path / "bf16", "trainer.precision=bf16", "trainer.strategy=fsdp2"))
    train(tiny_config(tmp_path / "fp32"))
    rounded, exact = losses(tmp_path / "bf16"), losses(tmp_path / "fp32")
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.02)
    for kind in ("network", "average"):
        fine = torch.empty(6, 13)
        read_tensors(newest(tmp_path / "bf16"), {f"{kind}.main.first.weight": fine})
        assert not torch.equal(fine, fine.bfloat16().float())


def test_average_follows_slowly_and_can_be_looked_through() -> None:
    weight = torch.nn.Parameter(torch.zeros(3))
    ema = Ema({"weight": weight}, 0.5)
    for step in range(30, 33):
        with torch.no_grad():
            weight.add_(8.0)
        ema.update(step)
    assert ema.average["weight"].tolist() == [17.0] * 3  # 4, 10, 17
    with ema.applied():
        assert weight.tolist() == [17.0] * 3
    assert weight.tolist() == [24.0] * 3
    assert ema.average["weight"].tolist() == [17.0] * 3


def test_a_network_trains_on_where_a_measurement_failed(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    module = config.objective.build(config)
    with world() as here:
        turn = NetworkTurn(config, module, "main", here)
        with suppress(ValueError), turn.evaluating():
            assert not module.main.training
            raise ValueError
    assert module.main.training


def test_rows_tell_what_was_done(tmp_path: Path) -> None:
    train(tiny_config(tmp_path, "trainer.peak_tflops=0.001", "trainer.log_every=5", "trainer.steps=10"))
    rows = [row for row in read_rows(str(tmp_path)) if "mfu" in row]
    assert [row["step"] for row in rows] == [5, 10]
    weights = sum(weight.numel() for weight in Blocks().parameters())
    for row in rows:
        assert row["tokens_per_step"] == 32
        assert row["tokens_per_second"] == pytest.approx(32 / row["seconds_per_step"])
        assert row["mfu"] == pytest.approx(6 * weights * 32 / row["seconds_per_step"] / 1e9)
        assert row["loss/main"] == pytest.approx(row["loss/main/1x2x2"])
        assert any(name.startswith("loss/t_") for name in row)
    assert list((tmp_path / "tensorboard").glob("events*"))


def read_main(out: Path, network: torch.nn.Module) -> None:
    config = tiny_config(out)
    module = config.objective.build(config)
    module.main = network
    read_networks(str(out), module, averaged=False)


def newest(out: Path) -> Path:
    checkpoint = latest(str(out))
    assert checkpoint is not None
    return checkpoint


def held_out(out: Path) -> dict[int, float]:
    return {row["step"]: row["held_out/error"] for row in read_rows(str(out)) if "held_out/error" in row}


def test_threads_are_for_the_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, forward, used = torch.get_num_threads(), Blocks.forward, set()

    def watched(self: Blocks, *arguments: Any) -> Any:
        used.add(torch.get_num_threads())
        return forward(self, *arguments)

    monkeypatch.setattr(Blocks, "forward", watched)
    train(tiny_config(tmp_path, f"trainer.threads={before + 1}", "trainer.steps=1"))
    assert used == {before + 1}
    assert torch.get_num_threads() == before
