"""Runs of a transformer whose heads can be divided: `python -m tests.training.sequence_run OUT [key=value ...]`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from preprocess.io.settings import override
from tests.training.tiny import DIT, TEXT, VAE
from tests.training.tiny_dit_run import SEED, TinyClips, TinyDit
from training.models.on_demand import at_hand
from training.models.vae import VideoVae
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.run.config import OptimizerConfig, TrainConfig, TrainerConfig
from training.run.launch import train

LAYOUT = replace(DIT, dim=64, heads=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class DividedDit(TinyDit):
    def build(self, config: TrainConfig) -> DitModule:
        objective = DitObjective(vae="", model=LAYOUT, text=TEXT, latent_scale=1.0)
        return DitModule(objective, at_hand(VideoVae(VAE)), seed=SEED)


def sequence_config(out: Path | str, *assignments: str) -> TrainConfig:
    config = TrainConfig(
        name="sequence",
        out=str(out),
        objective=DividedDit(),
        data=TinyClips(),
        trainer=TrainerConfig(steps=6, seed=SEED, log_every=1, eval_every=3, checkpoint_every=3, ema_decay=0.9),
        optimizer=OptimizerConfig(learning_rate=3e-3),
    )
    return override(config, assignments)


if __name__ == "__main__":
    train(sequence_config(sys.argv[1], *sys.argv[2:]))
