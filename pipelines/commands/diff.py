"""`diff A B`."""

from __future__ import annotations

import argparse

HELP = "say which clips of two manifests changed status, and why"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("a", metavar="A", help="a manifest")
    command.add_argument("b", metavar="B", help="another one, such as a copy that was decided otherwise")
    command.add_argument("--json", action="store_true", help="an object a line for each clip, and one with the counts")


def run(options: argparse.Namespace) -> None:
    """Print it."""
    from pipelines.diff import print_diff

    print_diff(options.a, options.b, as_json=options.json)
