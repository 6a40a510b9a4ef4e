"""The command line: `python -m pipelines COMMAND --help`.

What a command needs is imported when it runs: reading a table starts no decoder, and asking for help loads neither.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.engine import ENGINES

if TYPE_CHECKING:
    from pipelines.recipe.config import CurateConfig

_RECIPES = "one of pipelines/recipe/recipes.py, or module:name, or path/to/file.py:name"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 refused with a reason, 130 stopped."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    stops: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: _stop(stops, number))
    try:
        _refuse_relative_in_job(options)
        _import_plug_ins(options)
        options.run(options)
    except BaseException as error:
        if stops:  # some libraries turn the interruption into an error of their own
            return 130
        if not isinstance(error, ValueError):
            raise
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _import_plug_ins(options: argparse.Namespace) -> None:
    """What a manifest or a config file names is then there already: they import nothing themselves."""
    if names := getattr(options, "plug_in", ()):
        from preprocess.io.names import imported

        for name in names:
            imported(name)


def _curate(options: argparse.Namespace) -> None:
    from pipelines.curate import curate
    from pipelines.progress import print_summary

    manifest = curate(options.source, options.out, _config(options), engine=options.engine, workers=options.workers)
    print_summary(manifest)


def _config(options: argparse.Namespace) -> CurateConfig:
    """The recipe that the command line names, or that a file holds, and what is set otherwise."""
    from pipelines.recipe.config import CurateConfig, recipe
    from pipelines.recipe.plugins import captioner_named, with_captioner
    from preprocess.io.config_files import read_config
    from preprocess.io.settings import override

    config = recipe(options.recipe) if options.config is None else read_config(options.config, CurateConfig)
    if options.captioner is not None:
        config = with_captioner(config, captioner_named(options.captioner))
    return override(config, options.set)


def _show_config(options: argparse.Namespace) -> None:
    from preprocess.io.config_files import as_toml

    print(as_toml(_config(options)), end="")


def _plan(options: argparse.Namespace) -> None:
    from pipelines.plan import print_plan

    print_plan(options.source)


def _filter(options: argparse.Namespace) -> None:
    from pipelines.filter import run_filter
    from pipelines.progress import print_summary

    manifest = run_filter(
        options.name, options.out, assignments=options.set, engine=options.engine, workers=options.workers
    )
    print_summary(manifest)


def _caption(options: argparse.Namespace) -> None:
    from pipelines.caption import run_caption
    from pipelines.progress import print_summary

    manifest = run_caption(
        options.out,
        captioner=options.captioner,
        assignments=options.set,
        engine=options.engine,
        workers=options.workers,
    )
    print_summary(manifest)


def _decide(options: argparse.Namespace) -> None:
    from pipelines.decide import decide
    from pipelines.progress import print_summary

    manifest = decide(options.out, recipe=options.recipe, assignments=options.set)
    print_summary(manifest)


def _report(options: argparse.Namespace) -> None:
    from pipelines.report.write import write_report
    from preprocess.manifest import Manifest

    print(write_report(Manifest(options.out)))


def _demo(options: argparse.Namespace) -> None:
    from pipelines.demo import demo
    from pipelines.progress import print_summary

    manifest = demo(options.folder, videos=options.videos, engine=options.engine, workers=options.workers)
    print_summary(manifest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser("curate", help="cut, measure, filter and describe videos; write the manifest")
    command.add_argument("source", metavar="SOURCE", help="a video, a folder or a bucket URI")
    command.add_argument("out", metavar="OUT", help="folder or bucket URI of the manifest; the same again resumes")
    _add_config(command)
    _add_engine(command)
    command.set_defaults(run=_curate)

    command = commands.add_parser("show-config", help="print a recipe with all its settings, for curate --config FILE")
    _add_config(command)
    command.set_defaults(run=_show_config)

    command = commands.add_parser("plan", help="say what is there and what curating it will take; decodes nothing")
    command.add_argument("source", metavar="SOURCE")
    command.set_defaults(run=_plan)

    command = commands.add_parser("filter", help="run one filter alone over a manifest and add its columns")
    command.add_argument("name", metavar="NAME", help="a file's in filters/, such as motion, or module:Class")
    command.add_argument("out", metavar="OUT")
    _add_set(command)
    _add_engine(command)
    command.set_defaults(run=_filter)

    command = commands.add_parser("caption", help="describe the clips of a manifest with another captioner, or again")
    command.add_argument("out", metavar="OUT")
    _add_captioner(command)
    _add_set(command)
    _add_engine(command)
    command.set_defaults(run=_caption)

    command = commands.add_parser("decide", help="apply rules to a manifest's columns again; touches no video")
    command.add_argument("out", metavar="OUT")
    command.add_argument("--recipe", metavar="NAME", help=f"{_RECIPES} (default: OUT's own)")
    _add_set(command)
    command.set_defaults(run=_decide)

    command = commands.add_parser("report", help="write OUT/report.html, one file that opens offline")
    command.add_argument("out", metavar="OUT")
    command.set_defaults(run=_report)

    command = commands.add_parser("demo", help="make a small bucket of videos and curate it")
    command.add_argument("folder", metavar="FOLDER", nargs="?", default="demo", help="where to work (default: demo)")
    command.add_argument("--videos", help="curate these instead of the made ones")
    _add_engine(command)
    command.set_defaults(run=_demo)
    return parser


def _add_config(command: argparse.ArgumentParser) -> None:
    either = command.add_mutually_exclusive_group()
    either.add_argument("--recipe", metavar="NAME", default="default", help=f"{_RECIPES} (default: %(default)s)")
    either.add_argument("--config", metavar="FILE", type=Path, help="TOML, as show-config prints it, or YAML")
    _add_captioner(command)
    _add_set(command)


def _add_captioner(command: argparse.ArgumentParser) -> None:
    where = "a file's in captioners/, such as attributes, or module:Class (default: the recipe's own)"
    command.add_argument("--captioner", metavar="NAME", help=where)


def _add_set(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting, such as rules.motion.min=1.0"
    )
    what = "a module or file.py from elsewhere that OUT or a config names: it is imported only if you say so"
    command.add_argument("--plug-in", action="append", default=[], metavar="MODULE", help=what)


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--engine", default="auto", choices=ENGINES, help="auto: a running cluster, or a local one")
    command.add_argument("--workers", type=int, help="at most this many workers at a time (default: one a core)")


def _refuse_relative_in_job(options: argparse.Namespace) -> None:
    """A submitted job runs in a throw-away copy of the code: what a relative path names there is not what was meant."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" not in os.environ:
        return
    from preprocess.io import storage

    for name in ("source", "out"):
        place = getattr(options, name, None)
        if place is not None and not storage.is_remote(place) and not os.path.isabs(place):  # noqa: PTH117
            raise ValueError(f"{place!r}: inside a submitted job, give {name.upper()} as an absolute path or a URI")


def _stop(stops: list[int], number: int) -> None:
    stops.append(number)
    raise KeyboardInterrupt


if __name__ == "__main__":
    # The local engine works in this process, on one core. Numpy's matrix library would start threads of its own for
    # products of a few thousand numbers and wait longer for them than they save; it reads this once, when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
