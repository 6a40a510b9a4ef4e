"""`export OUT DEST`."""

from __future__ import annotations

import argparse

from pipelines.commands.options import add_out, add_rerun, rerun

HELP = "write the kept clips as a trainer reads them, with captions and its config"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    command.add_argument("dest", metavar="DEST", help="folder or bucket URI; the same command again resumes")
    who = "musubi, diffusion-pipe, ai-toolkit, diffsynth, ltx, simpletuner, videox-fun, finetrainers, cosmos-predict, "
    who += "fastvideo; or a format: hf, webdataset, lance, jsonl, csv"
    command.add_argument("--for", dest="trainer", metavar="TRAINER", required=True, help=who)
    command.add_argument("--model", metavar="MODEL", help="such as wan2.2 or ltx2 (default: the trainer's usual one)")
    _add_clips(command)
    _add_captions(command)
    elsewhere = "where the trainer will find DEST, if not there: its config names this place"
    command.add_argument("--at", metavar="PLACE", help=elsewhere)
    add_rerun(command)


def _add_clips(command: argparse.ArgumentParser) -> None:
    what = "of the kept clips, those that this holds for, such as \"motion > 2 and camera == 'static'\""
    command.add_argument("--where", metavar="CONDITION", help=what)
    command.add_argument("--frames", type=int, help="of each clip (default: what the model is used with)")
    command.add_argument("--size", metavar="WxH", help="pixels, as a landscape (default: the model's usual one)")
    command.add_argument("--no-sound", action="store_true", help="files without sound, also for a model that learns it")
    held_out = "share of the sources whose clips are not trained on, such as 0.05"
    command.add_argument("--held-out", type=float, default=0.0, metavar="SHARE", help=held_out)
    command.add_argument("--repeats", type=int, default=1, help="how often an epoch sees each clip")


def _add_captions(command: argparse.ArgumentParser) -> None:
    kinds = ("detailed", "short")
    command.add_argument("--caption", choices=kinds, default=kinds[0], help="which (default: %(default)s)")
    command.add_argument("--trigger", metavar="WORD", help="stands before each caption, with a space")
    command.add_argument("--uncaptioned", action="store_true", help="take clips without a caption, too")


def run(options: argparse.Namespace) -> int:
    """Write it, and say how the trainer is started; the exit status."""
    from pipelines.commands.ending import warned
    from pipelines.cut import Work
    from pipelines.export.order import order
    from pipelines.export.planning import Wish
    from pipelines.export.run import run_export

    wish = Wish(
        caption=options.caption,
        trigger=options.trigger,
        uncaptioned=options.uncaptioned,
        held_out=options.held_out,
        repeats=options.repeats,
    )
    chosen = order(
        options.trainer,
        model=options.model,
        frames=options.frames,
        size=options.size,
        sound=not options.no_sound,
    )
    work = Work(**rerun(options))
    done = run_export(options.out, options.dest, chosen, wish, work, where=options.where, at=options.at)
    return min(filter(None, map(warned, done.runs)), default=0)
