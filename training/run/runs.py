"""What an earlier run has trained, for the runs, samples and measurements that build on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from training.models.generator import VideoGenerator
from training.models.lora import switch_off_lora
from training.models.offload import offload_blocks
from training.models.weights import halve
from training.run.checkpoint import latest, read_networks, read_state
from training.run.config import Precision, TrainConfig
from training.run.module import TrainModule
from training.run.settings import restored


def config_of(run: str) -> TrainConfig:
    """The recipe of a run's newest checkpoint, as it was set then.

    Raises:
        ValueError: there is no complete checkpoint, or its recipe needs code that is not ours and that the command line
            has not named, or it is no longer understood, or no longer makes its networks.
    """
    checkpoint = latest(run)
    if checkpoint is None:
        raise ValueError(f"{run!r}: no complete checkpoint in it; is it the --out of a `python -m training` run?")
    state = read_state(checkpoint)
    try:
        if "config" not in state:
            raise ValueError("its state names the recipe alone, as it did until November 2026; train it anew")
        return restored(state["config"], run)
    except ValueError as error:
        raise ValueError(f"{run!r} cannot be used as it was trained: {error}") from error


def trained_module(
    run: str, device: torch.device | str = "cpu", *, precision: Precision = "fp32", offload: bool = False
) -> TrainModule:
    """A run's module with the averaged weights of its newest checkpoint, which `precision` may round to bfloat16: half
    the memory. Networks that it builds on stay as they are; see `computing`. With `offload` blocks are on the device
    only while they compute."""
    config = config_of(run)
    module = config.objective.build(config)
    read_networks(run, module)
    module.prepare(torch.device(device))
    for name, network in module.networks.items():
        network.requires_grad_(False).eval()
        if precision == "bf16":
            halve(network)
        if offload:
            offload_blocks(network, module.wraps(name), torch.device(device))
        else:
            network.to(device)
    return module


def own_precision(config: TrainConfig, device: torch.device) -> Precision:
    """What a run is sampled and measured in unless it is said: on a GPU as it was trained, on a CPU in float32."""
    return "fp32" if device.type == "cpu" else config.trainer.precision


@contextmanager
def computing(precision: Precision, device: torch.device) -> Iterator[None]:
    """Without a graph, and in that precision."""
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


def device_of(module: TrainModule) -> torch.device:
    """Where its networks are."""
    return next(next(iter(module.networks.values())).parameters()).device


def trained_generator(
    run: str,
    device: torch.device | str = "cpu",
    *,
    precision: Precision = "fp32",
    offload: bool = False,
    with_lora: bool = True,
) -> VideoGenerator:
    """What a run has trained, or tuned, to make videos; without its LoRA it is as it was before tuning.

    Raises:
        ValueError: the run trains something else, or there is none.
    """
    module = trained_module(run, device, precision=precision, offload=offload)
    if not with_lora:
        for network in module.networks.values():
            switch_off_lora(network)
    generator = module.generator()
    if generator is None:
        raise ValueError(f"{run!r} is no run of a transformer, or of another model that makes videos")
    return generator
