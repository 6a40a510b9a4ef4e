"""An autoencoder in stages: pictures, then videos, then the decoder alone, whose encoder stays to the bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from tests.training.tiny import JUDGE, VAE
from tests.training.tiny_dit_run import TinyClips, clips
from training.objectives.vae import VaeObjective, trained_vae
from training.recipes import tiny_vae_stages
from training.run.config import OptimizerConfig, Stage, TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.module import Batch
from training.run.stages import in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeClips(TinyClips):
    """Noise, of which a stage may see the first frames alone."""

    frames: int = 5

    def batches(self, config, *, rank, world_size):
        return FirstFrames(self.frames)

    def held_out(self, config, *, rank, world_size):
        return [cut(clips([1000, 1001]), self.frames)]


class FirstFrames:
    def __init__(self, frames: int) -> None:
        self.frames, self.taken = frames, 0

    def __iter__(self):
        while True:
            self.taken += 2
            yield cut(clips([self.taken, self.taken + 1]), self.frames)

    def state_dict(self):
        return {"taken": self.taken}

    def load_state_dict(self, state):
        self.taken = state["taken"]


def cut(batch: Batch, frames: int) -> Batch:
    return replace(batch, video=batch.video[:, :, :frames])


def stages(out: Path, *, steps: int = 2) -> TrainConfig:
    objective = VaeObjective(model=VAE, discriminator=JUDGE, adversarial_start=0)
    trainer = TrainerConfig(steps=steps, ema_decay=0.8, eval_every=50, checkpoint_every=2)
    rate = OptimizerConfig(learning_rate=3e-3, weight_decay=0.1)
    return TrainConfig(
        name="tiny",
        out=str(out),
        objective=replace(objective, trains="decoder"),
        data=VaeClips(),
        trainer=trainer,
        optimizer=rate,
        stages={
            name: Stage(data=VaeClips(frames=frames), trainer=trainer, optimizer=rate, objective=objective)
            for name, frames in (("pictures", 1), ("videos", 5))
        },
    )


def test_the_last_stage_leaves_the_encoder_as_it_was_used(tmp_path: Path) -> None:
    for run in in_order(stages(tmp_path)):
        train(run)
    pictures, videos, last = (
        trained_vae(str(tmp_path / folder)).state_dict() for folder in ("stages/pictures", "stages/videos", ".")
    )
    encoder = {name for name in last if name.startswith(("encoder.", "quant."))}
    assert len(encoder) > 10
    assert all(torch.equal(last[name], videos[name]) for name in encoder)
    assert any(not torch.equal(pictures[name], videos[name]) for name in encoder)
    decoder = {name for name in last if name not in encoder and last[name].ndim > 1}
    assert not any(torch.equal(last[name], videos[name]) for name in decoder)


def test_stages_have_their_own_objectives_and_start_from_one_another() -> None:
    config = tiny_vae_stages("clips", "out")
    runs = list(in_order(config))
    assert [run.out for run in runs] == ["out/stages/pictures", "out/stages/videos", "out"]
    assert [run.objective.trains for run in runs] == ["all", "all", "decoder"]
    assert [run.objective.start for run in runs] == ["", "out/stages/pictures", "out/stages/videos"]
    assert [run.data.sampler.still_share for run in runs] == [1.0, 0.1, 0.1]
    assert [run.data.reading.max_stride for run in runs] == [1, 3, 3]


def test_what_is_trained_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="trains is 'encoder'"):
        VaeObjective(model=VAE, discriminator=JUDGE, trains="encoder")  # type: ignore[arg-type]
