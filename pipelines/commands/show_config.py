"""`show-config`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_config

HELP = "print a recipe with all its settings, for curate --config FILE"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_config(command)


def run(options: argparse.Namespace) -> None:
    """Print it."""
    from pipelines.commands.recipe import chosen
    from preprocess.io.config_files import as_toml
    from preprocess.io.settings import override

    print(as_toml(override(chosen(options), options.set)), end="")
