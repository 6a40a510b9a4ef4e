"""`filter NAME OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.ending import told
from pipelines.commands.options import add_out, add_rerun, rerun

HELP = "run one filter alone over a manifest and add its columns"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("name", metavar="NAME", help="a file's in filters/, such as motion, or module:Class")
    add_out(command)
    add_rerun(command)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from pipelines.filter import run_filter

    return told(run_filter(options.name, options.out, **rerun(options)))
