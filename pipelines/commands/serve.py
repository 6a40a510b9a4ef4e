"""`serve OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out, add_sources

HELP = "the page over a million clips, with films of buckets and verdicts by hand, for a browser on this machine"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    where = "the address to listen at (default: %(default)s, which no other machine reaches)"
    command.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=where)
    command.add_argument("--port", type=int, default=0, help="default: any that is free")
    command.add_argument("--open", action="store_true", help="open it in your browser, too")
    add_sources(command)
    what = "a module or file.py from elsewhere that OUT names: it is imported only if you say so"
    command.add_argument("--plug-in", action="append", default=[], metavar="MODULE", help=what)


def run(options: argparse.Namespace) -> None:
    """Serve until it is stopped."""
    from pipelines.serve.run import serve

    serve(
        options.out,
        host=options.host,
        port=options.port,
        sources=options.sources,
        roots=options.roots,
        plug_ins=options.plug_in,
        opened=options.open,
    )
