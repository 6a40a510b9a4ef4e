"""`dedup OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out

HELP = "mark clips that repeat a better one, over all runs, or one of another manifest; touches no video"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    what = "another manifest, which is only read: mark what it has already, such as an evaluation set"
    command.add_argument("--against", metavar="OTHER", help=what)
    command.add_argument("--mirrored", action="store_true", help="copies with left for right count, too")
    what = "phash: what clips look like from moment to moment (default); embedding: what a model makes of them"
    command.add_argument("--by", choices=("phash", "embedding"), default="phash", help=what)
    what = "by embedding, from which cosine on two clips are the same (default: 0.97)"
    command.add_argument("--min-cosine", type=float, metavar="C", help=what)
    command.add_argument("--clear", action="store_true", help="take out what was found, and keep those clips again")


def run(options: argparse.Namespace) -> None:
    """Find, decide, and say what came out."""
    from pipelines.dedup.likeness import ByEmbedding, ByPhash
    from pipelines.dedup.run import clear, dedup
    from pipelines.progress import print_summary
    from preprocess.manifest import Manifest

    by_embedding = options.by == "embedding"
    if by_embedding and options.mirrored:
        raise ValueError("--mirrored is for --by phash: a vector cannot be mirrored")
    if options.min_cosine is not None and not by_embedding:
        raise ValueError("--min-cosine is for --by embedding")
    if options.clear:
        if options.against is not None:
            raise ValueError("--clear takes out all that was found, also against other manifests; give no --against")
        clear(options.out)
    else:
        cosine = {} if options.min_cosine is None else {"least_cosine": options.min_cosine}
        likeness = ByEmbedding(**cosine) if by_embedding else ByPhash(mirrored=options.mirrored)
        print(dedup(options.out, likeness, against=options.against).told())
    print_summary(Manifest(options.out))
