"""`forget OUT SOURCE`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out

HELP = "take all that a manifest holds of a source out of it, for good"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    command.add_argument("source", metavar="SOURCE", help="its id or its location, in full")
    what = "instead, let `curate` take in again what was forgotten"
    command.add_argument("--take-back", action="store_true", help=what)


def run(options: argparse.Namespace) -> None:
    """Forget it, and say what is left elsewhere."""
    from pipelines.forget import forget, take_back

    print((take_back if options.take_back else forget)(options.out, options.source))
