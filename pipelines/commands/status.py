"""`status OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out

HELP = "say how far the run over a manifest is, from anywhere"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    command.add_argument("--json", action="store_true", help="the same as one JSON object")


def run(options: argparse.Namespace) -> None:
    """Print it."""
    from pipelines.status import print_status

    print_status(options.out, as_json=options.json)
