"""`relocate OUT A=B`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out

HELP = "write down where the videos of a manifest are now"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    what = "what OUT names below the folder or bucket A lies below B now"
    command.add_argument("roots", metavar="A=B", nargs="+", help=what)
    command.add_argument("--all", action="store_true", help="read every file to see that it is the same, not some")


def run(options: argparse.Namespace) -> int:
    """The exit status: 3 where some files are not there."""
    from pipelines.relocate import relocate

    moved = relocate(options.out, options.roots, whole=options.all)
    print(moved.told())
    return 3 if moved.missing else 0
