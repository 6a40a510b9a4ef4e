"""`report OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out

HELP = "write OUT/report.html, one file that opens offline"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)


def run(options: argparse.Namespace) -> None:
    """Write it, and say where."""
    from pipelines.report.write import write_report
    from preprocess.manifest import Manifest

    print(write_report(Manifest(options.out)))
