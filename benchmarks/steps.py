"""What a training step of a recipe really takes on this machine's device, beside what `training plan` says of it.

    python -m benchmarks.steps [RECIPE] [--steps 10] [--set KEY=VALUE ...]

RECIPE is what `training plan` takes; without one it is a transformer of a billion weights in bf16, 49 frames of
512 x 512 (13,312 tokens) a step. Batches are zeros of the recipe's largest shape, so neither clips, caches nor
encoders are needed. The first two steps, in which kernels are chosen and compiled, are not counted. Memory is CUDA's
own count of its tensors, which a CPU has not. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import torch

from preprocess.io.settings import override
from training.commands.options import named
from training.plan.estimate import estimate
from training.recipes_full import ea_12b_middle
from training.run.config import TrainConfig
from training.run.distributed import World, world
from training.run.metrics import peak_flops
from training.run.turn import NetworkTurn

WARM_UP = 2
"""Steps that are not counted."""


def dit_1b(manifest: str, out: str) -> TrainConfig:
    """EasyAnimate's layout at 1.2 G weights, on one GPU."""
    smaller = {"dim": 1536, "heads": 24, "layers": 18, "mmdit_layers": 18}
    config = override(
        ea_12b_middle(manifest, out), [f"objective.model.{name}={value}" for name, value in smaller.items()]
    )
    trainer = replace(config.trainer, strategy="ddp", accumulation=1, activation_checkpointing=False)
    return replace(config, name="dit_1b", trainer=trainer)


def measured(config: TrainConfig, *, steps: int) -> dict[str, float | str]:
    """Figures of so many steps, by name.

    Raises:
        ValueError: the recipe cannot be planned.
    """
    planned = estimate(config, gpus=1)
    with world() as here:
        seconds, memory = _taken(config, here, steps)
        peak = peak_flops(here.device, config.trainer.precision, config.trainer.peak_tflops)
        name = torch.cuda.get_device_name(here.device) if here.device.type == "cuda" else "CPU"
    figures: dict[str, float | str] = {
        "recipe": config.name,
        "device": name,
        "weights": float(planned.trained),
        "tokens": float(planned.tokens * planned.samples),
        "seconds": seconds,
        "tflops": planned.flops / seconds / 1e12,
        "planned_gigabytes": planned.total / 1e9,
    }
    if memory is not None:
        figures |= {"gigabytes": memory / 1e9, "memory_ratio": memory / planned.total}
    if peak is not None:
        figures["mfu"] = planned.flops / seconds / peak
    return figures


def stepping(config: TrainConfig, here: World) -> Iterator[None]:
    """A training step for each that is asked of it."""
    planned = config.objective.planned(config)
    turns = {name: NetworkTurn(config, planned.module, name, here) for name in planned.module.networks}
    batch = planned.batch(*config.data.largest_batch(planned.grid))
    for step in count():
        for name in planned.module.turns(step):
            turns[name].take([batch] * config.trainer.accumulation, step)
        yield


def _taken(config: TrainConfig, here: World, steps: int) -> tuple[float, int | None]:
    """Seconds of a step, and the most memory that the device's tensors took."""
    each = stepping(config, here)
    for _ in range(WARM_UP):
        next(each)
    _wait(here.device)
    began = time.perf_counter()
    for _ in range(steps):
        next(each)
    _wait(here.device)
    took = (time.perf_counter() - began) / steps
    return took, torch.cuda.max_memory_allocated(here.device) if here.device.type == "cuda" else None


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("recipe", nargs="?", default="benchmarks.steps:dit_1b", help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="that are counted (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting")
    options = parser.parse_args()
    told = measured(override(named(options.recipe, "", ""), options.set), steps=options.steps)
    print(
        json.dumps({name: value if isinstance(value, str) else float(f"{value:.4g}") for name, value in told.items()})
    )
