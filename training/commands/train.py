"""`train`, and the same by the names of what is trained: `vae`, `dit`, `lora`, `reward`."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from preprocess.io.names import elsewhere, recipe_in
from preprocess.io.storage import absolute
from training import recipes
from training.commands.options import add_recipe, config_for
from training.run.checkpoint import latest, read_state
from training.run.config import TrainConfig
from training.run.launch import train
from training.run.signals import Interrupted, tell
from training.run.stages import in_order
from training.run.watch import shown

NAMES: Mapping[str, tuple[str | None, str]] = {
    "train": (None, "train what a recipe names"),
    "vae": ("tiny_vae", "train an autoencoder"),
    "dit": ("tiny_dit", "train a transformer on its latents; --set objective.vae=RUN"),
    "lora": ("tiny_lora", "teach a transformer a look by few clips; --set objective.base=RUN"),
    "reward": ("tiny_reward", "tune a transformer by rewards; --set objective.base=RUN"),
}
"""With the recipe that each takes by itself, and what it does."""


def add(command: argparse.ArgumentParser, usual: str | None) -> None:
    """Its arguments; `usual` is the recipe where none is named."""
    command.add_argument("manifest", metavar="MANIFEST", help="what `python -m pipelines curate` wrote")
    add_recipe(command, usual)
    command.add_argument("--out", required=True, metavar="RUN", help="folder of the run; the same again resumes")
    command.add_argument("--launcher", choices=("local", "ray"), default="local", help="local is torchrun's too")
    command.add_argument("--workers", type=int, default=1, help="how many workers Ray starts")
    command.add_argument("--gpus-per-worker", type=float, default=0.0)
    command.add_argument("--address", help="of a Ray cluster, such as auto (default: a local one for this run)")
    command.add_argument("--restarts", type=int, default=0, help="how often Ray may start lost workers again")
    command.set_defaults(usual=usual)


def run(options: argparse.Namespace) -> None:
    """Train to the recipe's last step."""
    config = config_for(options, manifest=options.manifest, out=absolute(options.out))
    if options.usual is not None:
        usual = recipe_in(recipes, options.usual, TrainConfig, options.manifest, "")
        if not isinstance(config.objective, type(usual.objective)):
            mine, theirs = (type(each.objective).__name__ for each in (usual, config))
            raise ValueError(f"recipe {config.name} has a {theirs}: `{options.command}` is for a {mine}")
    try:
        _launch(config, options)
    except Interrupted:
        _tell_where(config)
        raise
    _tell_where(config)


def _launch(config: TrainConfig, options: argparse.Namespace) -> None:
    if options.launcher == "ray":
        from cluster.by_value import send_along  # Ray takes seconds to import
        from cluster.ray_train import run_on_workers

        send_along(elsewhere(config))
        with shown(config.out, steps=config.trainer.steps):
            run_on_workers(
                partial(train, config),
                workers=options.workers,
                gpus_per_worker=options.gpus_per_worker,
                address=options.address,
                working_dir=os.fspath(Path(__file__).parents[2]),
                storage=os.fspath(Path(config.out) / "ray"),
                restarts=options.restarts,
                on_signal=tell,
            )
    else:
        train(config)


def _tell_where(config: TrainConfig) -> None:
    """At which step the run is, or its stage; alone of a finished one there is nothing else to say."""
    for each in reversed([*in_order(config)]):
        checkpoint = latest(each.out)
        if checkpoint is not None and os.environ.get("RANK", "0") == "0":
            step = read_state(checkpoint)["step"]
            logging.info("at step %d of %d: %s", step, each.trainer.steps, checkpoint)
            return
