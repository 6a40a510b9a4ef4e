"""`cache MANIFEST`."""

from __future__ import annotations

import argparse

from training.commands.options import add_recipe, config_for

HELP = "encode a transformer's clips once, for --set data.cache="


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("manifest", metavar="MANIFEST")
    add_recipe(command, "tiny_dit")
    command.add_argument("--out", required=True, metavar="CACHE", help="a folder or bucket; the same again resumes")
    command.add_argument("--epochs", type=int, default=1, help="how many places of each clip (default: %(default)s)")
    command.add_argument("--processes", type=int, default=1, help="of the run to come (default: %(default)s)")


def run(options: argparse.Namespace) -> None:
    """Encode, and print where the cache is."""
    config = config_for(options, manifest=options.manifest, out="")
    print(config.data.fill_cache(config, options.out, epochs=options.epochs, processes=options.processes))
