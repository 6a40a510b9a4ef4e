"""`validate OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out, add_sources

HELP = "see that a manifest is whole: columns, ids, spans, decisions, previews, and the videos where asked"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    either = command.add_mutually_exclusive_group()
    either.add_argument("--files", action="store_true", help="see that each video is there and of the same size")
    either.add_argument("--bytes", action="store_true", help="read each video, too, to see that it is the same")
    add_sources(command)
    what = "a module or file.py from elsewhere that OUT names: it is imported only if you say so"
    command.add_argument("--plug-in", action="append", default=[], metavar="MODULE", help=what)


def run(options: argparse.Namespace) -> int:
    """The exit status: 1 where something is wrong, 3 where videos are not there and nothing else is."""
    from pipelines.validation.run import validate

    files = "bytes" if options.bytes else "there" if options.files else "none"
    found = validate(options.out, files=files, sources=options.sources, roots=options.roots)
    print("\n".join(found.lines()))
    return found.status
