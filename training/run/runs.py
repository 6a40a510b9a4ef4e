"""What an earlier run has trained, for the runs, samples and measurements that build on it."""

from __future__ import annotations

import torch

from training.models.generator import VideoGenerator
from training.run.checkpoint import latest, read_networks, read_state
from training.run.config import TrainConfig
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


def trained_module(run: str, device: torch.device | str = "cpu") -> TrainModule:
    """A run's module with the averaged weights of its newest checkpoint."""
    config = config_of(run)
    module = config.objective.build(config)
    read_networks(run, module)
    module.prepare(torch.device(device))
    for network in module.networks.values():
        network.requires_grad_(False).eval().to(device)
    return module


def device_of(module: TrainModule) -> torch.device:
    """Where its networks are."""
    return next(next(iter(module.networks.values())).parameters()).device


def trained_generator(run: str, device: torch.device | str = "cpu") -> VideoGenerator:
    """What a run has trained, or tuned, to make videos.

    Raises:
        ValueError: the run trains something else, or there is none.
    """
    generator = trained_module(run, device).generator()
    if generator is None:
        raise ValueError(f"{run!r} is no run of a transformer, or of another model that makes videos")
    return generator
