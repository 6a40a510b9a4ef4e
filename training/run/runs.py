"""What an earlier run has trained, for the runs, samples and measurements that build on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.models.vae import VideoVae
from training.run.checkpoint import latest, read_networks, read_state
from training.run.config import TrainConfig
from training.run.module import TrainModule
from training.run.settings import restored, restored_by_name

if TYPE_CHECKING:
    from training.objectives.dit import DitModule


def config_of(run: str) -> TrainConfig:
    """The recipe of a run's newest checkpoint, as it was set then; see `training.run.settings` for runs of older code.

    Raises:
        ValueError: there is no complete checkpoint, or its recipe needs code that is not ours and that the command line
            has not named, or it is no longer understood, or no longer makes its networks.
    """
    checkpoint = latest(run)
    if checkpoint is None:
        raise ValueError(f"{run!r}: no complete checkpoint in it; is it the --out of a `python -m training` run?")
    state = read_state(checkpoint)
    try:
        return restored(state["config"], run) if "config" in state else restored_by_name(state["settings"], run)
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


def trained_vae(run: str) -> VideoVae:
    """The autoencoder that a run has trained.

    Raises:
        ValueError: the run trains something else, or there is none.
    """
    vae = trained_module(named_vae(run)).networks.get("vae")
    if not isinstance(vae, VideoVae):
        raise ValueError(f"{run!r} is no run of an autoencoder")
    return vae


def named_vae(run: str) -> str:
    """The folder of an autoencoder's run.

    Raises:
        ValueError: it is "", as in recipes.
    """
    if not run:
        raise ValueError("no run of an autoencoder is named: --set objective.vae=RUN")
    return run


def trained_dit(run: str, device: torch.device | str = "cpu") -> DitModule:
    """The transformer that a run has trained, with its autoencoder and text encoder; LoRA of reward tuning included.

    Raises:
        ValueError: the run trains something else, or there is none.
    """
    from training.objectives.dit import DitModule
    from training.objectives.reward import RewardModule

    if not run:
        raise ValueError("no run of a transformer is named")
    module = trained_module(run, device)
    if isinstance(module, RewardModule):
        return module.base
    if not isinstance(module, DitModule):
        raise ValueError(f"{run!r} is no run of a transformer")
    return module
