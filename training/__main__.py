"""The command line: `python -m training COMMAND --help`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence

from preprocess.errors import StorageError
from preprocess.io.names import imported
from training.commands import cache, eval, export, plan, sample, serve, show, train  # noqa: A004 - a command's name
from training.run.turn import NonFiniteError

COMMANDS = {
    "cache": cache,
    "plan": plan,
    "show": show,
    "sample": sample,
    "serve": serve,
    "eval": eval,
    "export": export,
}
"""Beside those that train, in the order in which help lists them."""

FIRST_RANK_SECONDS = 2.0
"""What all ranks refuse, the first one tells, and torchrun ends the others. What one refuses alone, it tells later."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 refused with a reason."""
    options = parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        for name in options.plug_in:
            imported(name)
        options.run(options)
    except (ValueError, NonFiniteError, StorageError) as error:
        return _refused(options.command, error)
    except OSError as error:
        if error.filename is None:
            raise  # of no file that was named
        return _refused(options.command, error)
    return 0


def parser() -> argparse.ArgumentParser:
    """Of the whole command line; each command is a file in training/commands/."""
    whole = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (usual, what) in train.NAMES.items():
        command = commands.add_parser(name, help=what)
        train.add(command, usual)
        command.set_defaults(run=train.run)
    for name, module in COMMANDS.items():
        aliases = ["show-config"] if module is show else []  # its name until December 2026
        command = commands.add_parser(name, help=module.HELP, aliases=aliases)
        module.add(command)
        command.set_defaults(run=module.run)
    for command in {*commands.choices.values()}:
        what = "where a run's own classes are, such as my_objective.py; may be given several times"
        command.add_argument("--plug-in", action="append", default=[], metavar="MODULE", help=what)
    return whole


def _refused(command: str, error: Exception) -> int:
    if os.environ.get("RANK", "0") != "0":
        time.sleep(FIRST_RANK_SECONDS)
    print(f"{command}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
