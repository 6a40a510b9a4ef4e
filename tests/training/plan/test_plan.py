"""What a plan says is what a step takes, on machines that nobody here has."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from tests.training.plan.measured import planned_config
from tests.training.tiny import tiny_dit_module
from training import recipes, recipes_full
from training.__main__ import main
from training.objectives.generate import GenerateConfig
from training.objectives.reward import RewardModule, RewardObjective
from training.plan.advice import tried
from training.plan.estimate import Estimate, estimate
from training.plan.tell import bytes_of
from training.plan.tracked import Tracked
from training.run.config import TrainConfig
from training.run.noise import SampleNoise

ROOT = Path(__file__).parents[3]
LARGER = ("objective.model.layers=8", "data.sampler.max_frames=17", "data.sampler.budget_tokens=2560")
RECOMPUTED = "trainer.activation_checkpointing=true"
OFFLOADED = "trainer.offload_activations=true"
SHARDED = "trainer.strategy=fsdp2"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the most memory that a process ever had")
@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [(), pytest.param(LARGER, marks=pytest.mark.attack), (RECOMPUTED, "trainer.accumulation=2")]
)
def test_a_step_takes_what_was_planned(settings: tuple[str, ...]) -> None:
    # glibc gives freed memory back only where it was mapped by itself
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.training.plan.measured", *settings]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    planned = estimate(planned_config(*settings), gpus=1)
    assert planned.total == pytest.approx(int(done.stdout), rel=0.15)
    assert planned.rows["gradients and activations"] > 0.4 * planned.total  # and not by the state alone


def test_what_is_kept_for_the_way_back_is_what_autograd_keeps() -> None:
    """Counted by autograd's own hooks, on real tensors: the activations are most of the peak, and none is forgotten."""
    config = planned_config()
    planned = config.objective.planned(config)
    module = planned.module
    module.materialise("dit", torch.device("cpu"))
    weights = {weight.untyped_storage().data_ptr() for weight in module.networks["dit"].parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    batch = planned.batch(*config.data.largest_batch(planned.grid))
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = module.loss("dit", batch, SampleNoise(0, 0, batch.clip_ids), 0)
    told = working(config)
    assert sum(kept.values()) < told < 1.2 * sum(kept.values())
    assert loss.total.requires_grad


def test_ranks_divide_what_is_trained_and_not_what_is_computed() -> None:
    whole, eighth = (estimate(planned_config(SHARDED), gpus=gpus) for gpus in (1, 8))
    for row in ("weights", "optimizer", "average"):
        assert eighth.rows[row] == pytest.approx(whole.rows[row] / 8, rel=0.01)
    state = 4 * whole.trained
    assert whole.rows["optimizer"] == 2 * state
    assert eighth.rows["gradients and activations"] > whole.rows["gradients and activations"] - state
    copies = estimate(planned_config(), gpus=8)
    assert copies.total == pytest.approx(whole.total + state)  # DDP packs gradients once more


def test_copies_of_shards_are_as_large_as_their_group() -> None:
    groups = estimate(planned_config(SHARDED, "trainer.shard_ranks=2"), gpus=8)
    assert groups.rows == estimate(planned_config(SHARDED), gpus=2).rows
    whole, shared = (
        working(planned_config(SHARDED, "trainer.accumulation=2", f"trainer.gradients_whole={kept}"), gpus=8)
        for kept in ("true", "false")
    )
    assert whole - shared == pytest.approx(4 * groups.trained * 7 / 8)


def test_ranks_that_divide_samples_have_half_of_the_activations() -> None:
    made = [estimate(planned_config(f"trainer.sequence_ranks={count}"), gpus=2) for count in (1, 2)]
    alone, halves = (each.rows["gradients and activations"] for each in made)
    assert alone / 2 <= halves <= alone / 2 + 4 * made[0].trained
    with pytest.raises(ValueError, match="sequence_ranks=4 must divide 6 heads and 4 ranks"):
        estimate(planned_config("trainer.sequence_ranks=4"), gpus=4)
    with pytest.raises(ValueError, match="shard_ranks=3 must divide 4 ranks"):
        estimate(planned_config(SHARDED, "trainer.shard_ranks=3"), gpus=4)


def test_samples_are_divided_where_no_other_setting_helps() -> None:
    config = planned_config(SHARDED, RECOMPUTED, "trainer.precision=bf16", OFFLOADED)
    whole = estimate(config, gpus=2)
    *_, last = tried(config, gpus=2, memory=0.9 * whole.total)
    assert last.settings == ("trainer.sequence_ranks=2",)


def test_blocks_that_are_computed_again_keep_only_what_enters_them() -> None:
    kept, again = (estimate(planned_config(*LARGER, *more), gpus=1) for more in ((), (RECOMPUTED,)))
    assert again.rows["gradients and activations"] < kept.rows["gradients and activations"] / 3
    assert again.flops == pytest.approx(kept.flops * 4 / 3)


def test_what_enters_blocks_waits_in_host_memory() -> None:
    few = (*LARGER, RECOMPUTED, "data.sampler.budget_tokens=10240")
    here, there = (estimate(planned_config(*few, *more), gpus=1) for more in ((), (OFFLOADED,)))
    inputs = 8 * (1280 + 256) * 8 * 192 * 4  # layers, tokens of eight videos with their texts, values, bytes
    assert here.host == 0
    assert inputs <= there.host < 1.6 * inputs
    assert here.total - inputs < there.total < here.total - 0.4 * inputs  # gradients come as inputs go


def test_small_averages_and_weights_are_counted_as_small() -> None:
    whole = estimate(planned_config(), gpus=1)
    small = estimate(planned_config("optimizer.state=8bit"), gpus=1)
    assert 2 * small.trained < small.rows["optimizer"] < whole.rows["optimizer"] == 8 * whole.trained
    rounded = estimate(planned_config("optimizer.weights=bf16", "trainer.precision=bf16"), gpus=1)
    assert rounded.rows["weights"] == pytest.approx(2 * whole.trained, rel=0.01)
    assert rounded.rows["average"] == whole.rows["average"]


def test_the_rows_of_an_autoencoder_are_there_too() -> None:
    made = estimate(recipes.tiny_vae("", ""), gpus=1)
    assert made.trained > 1_700_000
    assert made.rows["average"] < 4 * made.trained  # its judges have none
    assert made.rows["gradients and activations"] > 10e6


def test_the_work_of_an_autoencoder_is_that_of_its_convolutions() -> None:
    config = recipes.tiny_vae("", "")
    planned = config.objective.planned(config)
    for name in planned.module.networks:
        planned.module.materialise(name, torch.device("cpu"))
    batch = planned.batch(*config.data.largest_batch(planned.grid))
    with FlopCounterMode(display=False) as counted:
        for name in planned.module.turns(config.trainer.steps - 1):
            others = [
                weight
                for other, each in planned.module.networks.items()
                if other != name
                for weight in each.parameters()
            ]
            for weight in others:
                weight.requires_grad_(False)
            noise = SampleNoise(0, 0, batch.clip_ids)
            planned.module.loss(name, batch, noise, config.trainer.steps - 1).total.backward()
            for weight in others:
                weight.requires_grad_(True)
    assert estimate(config, gpus=1).flops == pytest.approx(counted.get_total_flops(), rel=1e-6)


def test_a_reward_is_planned_with_its_last_steps_and_the_way_back_from_pixels() -> None:
    """What autograd keeps of a step, on real tensors, is most of what is planned, and none is forgotten."""
    told = {}
    for last_steps in (1, 3):
        sampling = GenerateConfig(num_steps=4, guidance=2.0)
        objective = RewardHere(base="", last_steps=last_steps, sampling=sampling, rank=2)
        config = replace(recipes.tiny_reward("", ""), objective=objective)
        planned = objective.planned(config)
        assert planned.assumed.startswith("prompts")
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        batch = planned.batch(*config.data.largest_batch(planned.grid))
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = planned.module.loss("dit", batch, SampleNoise(0, 0, batch.clip_ids), 0)
        told[last_steps] = working(config)
        weights = sum(weight.nbytes for weight in planned.module.networks["dit"].parameters())
        weights += sum(weight.nbytes for weight in planned.module.frozen["vae"].parameters())
        assert loss.total.requires_grad
        assert sum(kept.values()) - weights < told[last_steps] < 1.3 * sum(kept.values())
    assert told[3] > 1.3 * told[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardHere(RewardObjective):
    """On a transformer that no run has trained."""

    def build(self, config: TrainConfig) -> RewardModule:
        return RewardModule(self, tiny_dit_module())


def test_what_no_values_are_asked_of() -> None:
    with FakeTensorMode(), Tracked() as tracked:
        values = torch.zeros(8, dtype=torch.float32)
        assert float(values.sum()) == 1
        assert bool((values > 0).all())
        assert len(values.unique().tolist()) == 1
        assert len(values[values > 0]) == 8
        assert tracked.live == 32
        values = values + 1
        assert tracked.live == 32
        assert tracked.peak >= 64
        del values
        assert tracked.live == 0


def test_the_full_sizes_are_theirs() -> None:
    """On the meta device; counts are those of the released weights, state and work those of arithmetic."""
    config = recipes_full.ea_12b("", "")
    planned = config.objective.planned(config)
    [network] = planned.module.networks.values()
    assert all(weight.is_meta for weight in network.parameters())
    assert sum(weight.numel() for weight in network.parameters()) == 11_799_265_856
    shape, samples = config.data.largest_batch(planned.grid)
    assert (shape.frames, shape.height, shape.width, samples) == (49, 1024, 1024, 1)
    assert planned.grid.tokens(shape) == 53_248
    for stage, tokens in (("pictures", 3_328), ("small", 3_328), ("middle", 13_312), ("middle_image", 13_312)):
        shape, samples = config.stages[stage].data.largest_batch(planned.grid)
        assert (planned.grid.tokens(shape), samples) == (tokens, 1)
    seven = recipes_full.ea_7b("", "")
    [network] = seven.objective.planned(seven).module.networks.values()
    assert sum(weight.numel() for weight in network.parameters()) == 6_814_670_912


@pytest.mark.attack
def test_a_step_of_the_largest() -> None:
    """docs/training.md: what is kept is what enters 48 blocks of 53,504 tokens of 3,072 values in bf16."""
    made = estimate(recipes_full.ea_12b("", ""), gpus=8)
    assert made.rows["weights"] + made.rows["optimizer"] + made.rows["average"] == 16 * made.trained / 8
    inputs = 48 * (53_248 + 256) * 3072 * 2
    assert inputs < made.rows["gradients and activations"] < inputs + 14e9
    assert made.flops == pytest.approx(9.08e15, rel=0.01)
    assert 45e9 < made.total < 60e9


def test_settings_are_tried_until_it_fits() -> None:
    config = planned_config()
    [alone] = tried(config, gpus=1, memory=1e12)
    assert alone.settings == ()
    attempts = [*tried(config, gpus=1, memory=alone.estimate.total * 0.6)]
    assert [each.settings for each in attempts] == [(), (RECOMPUTED,)]
    assert attempts[-1].estimate.total <= alone.estimate.total * 0.6


def test_more_gpus_are_tried_last() -> None:
    small = ("trainer.ema_decay=none", "optimizer.state=8bit")
    config = planned_config("trainer.precision=bf16", RECOMPUTED, OFFLOADED, *small)
    alone = estimate(config, gpus=1)
    state = alone.rows["weights"] + alone.rows["optimizer"]
    *_, last = tried(config, gpus=1, memory=alone.total - 0.6 * state)
    assert last.gpus > 1
    assert last.settings == (SHARDED,)
    assert last.estimate.total <= alone.total - 0.6 * state
    *_, last = tried(config, gpus=1, memory=1e6)
    assert last.estimate.total > 1e6


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "tiny_dit", "--memory", "80GB", "--set", "trainer.precision=bf16"]) == 0
    told = capsys.readouterr().out
    assert "1,494,528 weights learn" in told
    assert "fits into 80.00 GB" in told
    assert "at 40% of the 989 TFLOPS of H100" in told
    assert main(["show", "--recipe", "tiny_dit"]) == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out)
    few = ["--memory", "2.1GB", "--set", "data.sampler.budget_tokens=1536"]  # of which 2 GB are CUDA's
    assert main(["plan", str(tmp_path / "mine.toml"), *few]) == 0
    told = capsys.readouterr().out
    assert "does not fit" in told
    assert f"--set {RECOMPUTED}" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "tiny_dit", "--memory", "much"], "expected a size, such as 80GB"),
        (["plan", "tiny_dit", "--gpus", "0"], "at least 1"),
        (["plan", "tiny_dit", "--mfu", "40"], "a share, such as 0.4"),
        (["plan", "tiny_dot"], "did you mean tiny_dit"),
        (["plan", "tiny_lora"], "--set objective.base=RUN"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_sizes() -> None:
    assert bytes_of("80GB") == 80e9
    assert bytes_of("24 GiB") == 24 * 2**30


def working(config: TrainConfig, *, gpus: int = 1) -> float:
    """What gradients and activations take together."""
    made: Estimate = estimate(config, gpus=gpus)
    return made.rows["gradients and activations"]
