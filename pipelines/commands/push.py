"""`push OUT REPO`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out

HELP = "send a manifest to a hub as a dataset"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    command.add_argument("repo", metavar="REPO", help="OWNER/NAME, made if need be; the token is in HF_TOKEN")
    command.add_argument("--public", action="store_true", help="a new repository may be seen by all")


def run(options: argparse.Namespace) -> None:
    """Send it, and say where it is."""
    from pipelines.push import push

    print(push(options.out, options.repo, public=options.public))
