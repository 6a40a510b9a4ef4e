"""`caption OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.ending import told
from pipelines.commands.options import add_captioner, add_out, add_rerun, rerun

HELP = "describe the clips of a manifest with another captioner, or again"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    add_captioner(command)
    add_rerun(command)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from pipelines.caption import run_caption

    return told(run_caption(options.out, captioner=options.captioner, **rerun(options)))
