"""`decide OUT`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import RECIPES, add_out, add_set, add_sources

HELP = "apply rules to a manifest's columns again, or take that back; touches no video"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    command.add_argument("--recipe", metavar="NAME", help=f"{RECIPES} (default: OUT's own)")
    add_set(command)
    add_sources(command)
    instead = command.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    instead.add_argument("--undo", action="store_true", help="take the last `decide` back; again for the one before it")
    instead.add_argument("--history", action="store_true", help="list what --undo takes back, the last one first")
    command.add_argument("--json", action="store_true", help="with --dry-run: one JSON object")


def run(options: argparse.Namespace) -> None:
    """Decide, and say what came out."""
    from pipelines.progress import print_summary
    from preprocess.manifest import Manifest

    if (options.undo or options.history) and (options.set or options.recipe):
        raise ValueError("--undo and --history take no --set and no --recipe")
    if options.json and not options.dry_run:
        raise ValueError("--json goes with --dry-run")
    if options.dry_run:
        from pipelines.dry_run import dry_run, print_change

        print_change(dry_run(options.out, recipe=options.recipe, assignments=options.set), as_json=options.json)
    elif options.history:
        from pipelines.history import print_history

        print_history(Manifest(options.out))
    elif options.undo:
        from pipelines.decide import undo

        print(undo(options.out, sources=options.sources, roots=options.roots))
        print_summary(Manifest(options.out))
    else:
        from pipelines.decide import decide

        print_summary(
            decide(
                options.out,
                recipe=options.recipe,
                assignments=options.set,
                sources=options.sources,
                roots=options.roots,
            )
        )
