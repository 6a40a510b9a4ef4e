"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cluster.engine import ENGINES

RECIPES = "one of pipelines/recipe/recipes.py, or module:name, or path/to/file.py:name"


def add_out(command: argparse.ArgumentParser, what: str | None = None) -> None:
    """The manifest."""
    command.add_argument("out", metavar="OUT", help=what)


def add_config(command: argparse.ArgumentParser) -> None:
    """How videos are curated."""
    either = command.add_mutually_exclusive_group()
    either.add_argument("--recipe", metavar="NAME", default="default", help=f"{RECIPES} (default: %(default)s)")
    either.add_argument("--config", metavar="FILE", type=Path, help="TOML, as show-config prints it, or YAML")
    add_captioner(command)
    add_set(command)


def add_captioner(command: argparse.ArgumentParser) -> None:
    """Who describes clips."""
    where = "a file's in captioners/, such as attributes, or module:Class (default: the recipe's own)"
    command.add_argument("--captioner", metavar="NAME", help=where)


def add_set(command: argparse.ArgumentParser) -> None:
    """Single settings, and the foreign code that they may name."""
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting, such as rules.motion.min=1.0"
    )
    what = "a module or file.py from elsewhere that OUT or a config names: it is imported only if you say so"
    command.add_argument("--plug-in", action="append", default=[], metavar="MODULE", help=what)


def add_sources(command: argparse.ArgumentParser) -> None:
    """Where a manifest's videos may be opened."""
    what = "where videos may be opened, too: a manifest by itself opens none at https:// addresses of its choice"
    command.add_argument("--source", dest="sources", action="append", default=[], metavar="PLACE", help=what)
    add_roots(command)


def add_roots(command: argparse.ArgumentParser) -> None:
    """Where a manifest's videos are now."""
    what = "videos that OUT names below the folder or bucket A lie below B now; may be given several times"
    command.add_argument("--root", dest="roots", action="append", default=[], metavar="A=B", help=what)


def add_engine(command: argparse.ArgumentParser) -> None:
    """Where the work is done."""
    command.add_argument("--engine", default="auto", choices=ENGINES, help="auto: a running cluster, or a local one")
    command.add_argument("--workers", type=int, help="at most this many workers at a time (default: one a core)")


def add_strict(command: argparse.ArgumentParser) -> None:
    """What an error of our own code does."""
    what = "stop at the first error of our own code, instead of settling its file or clip as internal_error"
    command.add_argument("--strict", action="store_true", help=what)


def add_rerun(command: argparse.ArgumentParser) -> None:
    """What commands have that look at the clips of a manifest once more."""
    add_set(command)
    add_engine(command)
    add_strict(command)
    add_sources(command)


def rerun(options: argparse.Namespace) -> dict[str, Any]:
    """The same, as arguments of the function that does it."""
    return {
        "assignments": options.set,
        "sources": options.sources,
        "roots": options.roots,
        "engine": options.engine,
        "workers": options.workers,
        "strict": options.strict,
    }
