"""The command line: `python -m pipelines COMMAND --help`.

What a command needs is imported when it runs: reading a table starts no decoder, and asking for help loads neither.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from cluster.lost import ClusterLostError
from pipelines.commands import (
    caption,
    curate,
    cut,
    decide,
    dedup,
    demo,
    diff,
    export,
    forget,
    plan,
    push,
    relocate,
    report,
    serve,
    show,
    show_config,
    status,
    validate,
)
from pipelines.commands import filter as filter_
from pipelines.log_lines import log_event, log_is_json, start_log
from pipelines.stopping import Stopping

COMMANDS = (
    curate,
    show_config,
    plan,
    filter_,
    caption,
    decide,
    dedup,
    cut,
    export,
    report,
    serve,
    push,
    relocate,
    status,
    show,
    diff,
    validate,
    forget,
    demo,
)
"""In the order in which help lists them."""

STARTS_AGAIN = 2
"""How often a run starts another cluster of its own when it lost one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    0 done, 1 refused with a reason, or an error of our own code on some file; 3 done, but some files could not be read
    for reasons of machine or storage, and the same command tries them again; 128 + the signal that stopped it.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    start_log(as_json=any(each.startswith("--log-j") for each in arguments))  # argparse takes shortened names
    status = _main(arguments)
    if log_is_json():
        log_event("end", f"exit status {status}", exit_status=status)
    return status


def _main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    with Stopping(options.command) as stopping:
        try:
            _refuse_relative_in_job(options)
            _import_plug_ins(options)
            status = _run(options)
        except BaseException as error:
            if stopping.number is not None:  # some libraries turn the interruption into an error of their own
                return stopping.told()
            if not isinstance(error, ValueError):
                raise
            if log_is_json():
                log_event("refused", str(error), level=logging.ERROR, command=options.command)
            else:
                print(f"{options.command}: {error}", file=sys.stderr)
            return 1
        return status if stopping.number is None else stopping.told()


def _run(options: argparse.Namespace) -> int:
    """Run the command, and once more where the run's own cluster was lost, which is all that the user could do.

    Raises:
        ValueError: also where a disk or a bucket failed, which is no error of ours to show a traceback of.
    """
    for starts_left in reversed(range(STARTS_AGAIN + 1)):
        try:
            return int(options.run(options) or 0)
        except ClusterLostError as lost:
            if not lost.own or not starts_left:
                raise
            log_event("cluster_lost", f"{options.command}: {lost}; starting another one", level=logging.WARNING)
        except OSError as error:
            raise ValueError(str(error) or type(error).__name__) from error
    raise AssertionError("the last try returns or raises")


def _import_plug_ins(options: argparse.Namespace) -> None:
    """What a manifest or a config file names is then there already: they import nothing themselves."""
    if names := getattr(options, "plug_in", ()):
        from preprocess.io.names import imported

        for name in names:
            imported(name)


def parser() -> argparse.ArgumentParser:
    """Of the whole command line; each command is a file in pipelines/commands/."""
    whole = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        command = commands.add_parser(name, help=module.HELP)
        module.add(command)
        command.set_defaults(run=module.run)
        command.add_argument("--log-json", action="store_true", help="standard error as one JSON object a line; no bar")
    return whole


def _refuse_relative_in_job(options: argparse.Namespace) -> None:
    """A submitted job runs in a throw-away copy of the code: what a relative path names there is not what was meant."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" not in os.environ:
        return
    from preprocess.io import storage

    for name in ("source", "out", "dest"):
        place = getattr(options, name, None)
        if place is not None and not storage.is_remote(place) and not os.path.isabs(place):  # noqa: PTH117
            raise ValueError(f"{place!r}: inside a submitted job, give {name.upper()} as an absolute path or a URI")


if __name__ == "__main__":
    # The local engine works in one process, on one core. Numpy's matrix library would start threads of its own for
    # products of a few thousand numbers and wait longer for them than they save; it reads this once, when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
