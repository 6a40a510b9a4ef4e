"""What a step of a recipe really takes: `python -m tests.training.plan.measured [key=value ...]` prints bytes."""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.steps import stepping
from preprocess.io.settings import override
from training import recipes
from training.models.dit import DitConfig
from training.run.config import TrainConfig
from training.run.distributed import world

LAYOUT = DitConfig(
    dim=192,
    heads=6,
    layers=4,
    mmdit_layers=2,
    text_dim=64,
    time_dim=64,
    latent_channels=8,
    in_channels=17,
    base_grid=None,
)


def planned_config(*assignments: str) -> TrainConfig:
    """A transformer of 5 M weights on 2 videos of 768 tokens a step."""
    tiny = recipes.tiny_dit("", "")
    sampler = replace(tiny.data.sampler, min_side=256, max_side=256, budget_tokens=2 * 768)
    config = replace(tiny, objective=replace(tiny.objective, model=LAYOUT), data=replace(tiny.data, sampler=sampler))
    return override(config, assignments)


def measured(config: TrainConfig) -> int:
    """The most memory that two steps on this process alone take, above what there is before the module is made."""
    _steps(planned_config("objective.model.dim=96", "objective.model.layers=2"))  # libraries make room for themselves
    before = _start()
    _steps(config)
    return _kilobytes("VmHWM") * 1024 - before


def _steps(config: TrainConfig) -> None:
    with world() as here:
        steps = stepping(config, here)
        for _ in range(2):
            next(steps)


def _start() -> int:
    """Forget the most that there ever was; bytes that there are."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS") * 1024


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(measured(planned_config(*sys.argv[1:])))
