"""Arguments that several commands share, and the recipe that they make."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from preprocess.io.config_files import read_config
from preprocess.io.names import recipe_named
from preprocess.io.roots import Roots
from preprocess.io.settings import dump, override
from training import recipes, recipes_full
from training.objectives.generate import GenerateConfig
from training.run.config import Precision, TrainConfig, located


def add_recipe(command: argparse.ArgumentParser, default: str | None) -> None:
    """Which recipe, and what is set otherwise in it."""
    where = "one of training/recipes.py or recipes_full.py, or module:name, or path/to/file.py:name"
    where += "" if default is None else " (default: %(default)s)"
    either = command.add_mutually_exclusive_group(required=default is None)
    either.add_argument("--recipe", metavar="NAME", default=default, help=where)
    either.add_argument("--config", metavar="FILE", type=Path, help="TOML, as `show` prints it, or YAML")
    add_settings(command)


def add_settings(command: argparse.ArgumentParser) -> None:
    """What is set otherwise in a recipe."""
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting")
    what = "videos that MANIFEST names below A lie below B now; may be given several times"
    command.add_argument("--root", dest="roots", action="append", default=[], metavar="A=B", help=what)


def add_sampling(command: argparse.ArgumentParser) -> None:
    """How videos are sampled."""
    default = GenerateConfig()
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--steps", type=int, default=default.num_steps, help="(default: %(default)s)")
    command.add_argument("--guidance", type=float, default=default.guidance, help="(default: %(default)s)")
    command.add_argument("--shift", type=float, help="of noise levels (default: as the run was trained)")
    how = "of weights and computation (default: as the run was trained; on a CPU fp32)"
    command.add_argument("--precision", choices=get_args(Precision), help=how)


def sampling(options: argparse.Namespace) -> GenerateConfig:
    """What `add_sampling` was given."""
    return GenerateConfig(num_steps=options.steps, guidance=options.guidance, shift=options.shift)


def config_for(options: argparse.Namespace, *, manifest: str, out: str) -> TrainConfig:
    """The recipe that the command line names, or that a file holds, for this manifest and run, and what is set."""
    if options.config is None:
        config = named(options.recipe, manifest, out)
    else:
        config = replace(read_config(options.config, TrainConfig), out=out)
        config = _with_data(config, "manifest", manifest)
    if options.roots:
        config = _with_data(config, "roots", Roots.of(options.roots))
    return located(override(config, options.set))


def named(name: str, manifest: str, out: str) -> TrainConfig:
    """A recipe by its name, as `--recipe` takes it."""
    home = recipes_full if hasattr(recipes_full, name) and not hasattr(recipes, name) else recipes
    return recipe_named(name, home.__name__, TrainConfig, manifest, out)


def _with_data(config: TrainConfig, name: str, value: object) -> TrainConfig:
    """With a setting of its data, and of its stages' data, where they have it."""
    keys = ["data", *(f"stages.{stage}.data" for stage in config.stages)]
    return override(config, [f"{key}.{name}={value}" for key in keys if f"{key}.{name}" in dump(config)])
