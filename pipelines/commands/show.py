"""`show OUT [CLIP_ID|SOURCE]`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out, add_roots

HELP = "say what a manifest knows of a clip or a source, and why it was kept or not"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    what = "an id or how it begins, a location or how it ends, or a part of a file's name (default: a summary)"
    command.add_argument("what", metavar="CLIP_ID|SOURCE", nargs="?", help=what)
    command.add_argument("--open", action="store_true", help="play it, too, in your own player")
    add_roots(command)


def run(options: argparse.Namespace) -> None:
    """Print it."""
    from pipelines.progress import print_summary
    from pipelines.show.run import show, summary_lines
    from preprocess.io.roots import Roots
    from preprocess.manifest import Manifest

    if options.what is not None:
        for line in show(options.out, options.what, roots=Roots.of(options.roots), opened=options.open):
            print(line)
        return
    if options.open:
        raise ValueError("--open needs a clip or a source")
    print("\n".join(summary_lines(options.out)))
    print_summary(Manifest(options.out))
