"""`decide OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import RECIPES, add_out, add_set, add_sources

HELP = "apply rules to a manifest's columns again; touches no video"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    command.add_argument("--recipe", metavar="NAME", help=f"{RECIPES} (default: OUT's own)")
    add_set(command)
    add_sources(command)


def run(options: argparse.Namespace) -> None:
    """Decide, and say what came out."""
    from pipelines.decide import decide
    from pipelines.progress import print_summary

    print_summary(
        decide(
            options.out, recipe=options.recipe, assignments=options.set, sources=options.sources, roots=options.roots
        )
    )
