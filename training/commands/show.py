"""`show`."""

from __future__ import annotations

import argparse

from preprocess.io.config_files import as_toml
from training.commands.options import add_recipe, config_for

HELP = "print a recipe with all its settings and what they mean, for --config FILE"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_recipe(command, "tiny_vae")


def run(options: argparse.Namespace) -> None:
    """Print it."""
    print(as_toml(config_for(options, manifest="", out=""), explained=True), end="")
