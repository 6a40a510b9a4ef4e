"""`demo [FOLDER]`."""

from __future__ import annotations

import argparse

from pipelines.commands.ending import told
from pipelines.commands.options import add_engine

HELP = "make a small bucket of videos and curate it"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("folder", metavar="FOLDER", nargs="?", default="demo", help="where to work (default: demo)")
    command.add_argument("--videos", help="curate these instead of the made ones")
    add_engine(command)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from pipelines.demo import demo

    return told(demo(options.folder, videos=options.videos, engine=options.engine, workers=options.workers))
