"""`plan SOURCE`."""

from __future__ import annotations

import argparse

HELP = "say what is there and what curating it will take; decodes nothing"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("source", metavar="SOURCE")
    command.add_argument("--workers", type=int, help="say how long so many workers take")


def run(options: argparse.Namespace) -> None:
    """Print it."""
    from pipelines.plan import print_plan

    print_plan(options.source, workers=options.workers)
