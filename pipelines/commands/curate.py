"""`curate SOURCE OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.ending import told
from pipelines.commands.options import add_config, add_engine, add_out, add_strict

HELP = "cut, measure, filter and describe videos; write the manifest"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("source", metavar="SOURCE", help="a video, a folder or a bucket URI")
    add_out(command, "folder or bucket URI of the manifest; the same again resumes")
    add_config(command)
    add_engine(command)
    add_strict(command)
    what = "try what was settled for this reason again, such as internal_error or too_slow; may be said several times"
    command.add_argument("--again", action="append", default=[], metavar="REASON", help=what)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from pipelines.commands.recipe import chosen
    from pipelines.curate import curate

    finished = curate(
        options.source,
        options.out,
        chosen(options),
        assignments=options.set,
        engine=options.engine,
        workers=options.workers,
        again=options.again,
        strict=options.strict,
    )
    return told(finished)
