"""`cut OUT [DEST]`."""

from __future__ import annotations

import argparse
from typing import Any

from pipelines.commands.options import add_out, add_rerun, rerun

HELP = "write kept clips as files, as they are or in a trainer's format"

_NUMBERS = {
    "frame-step": "K: the number of frames is K*n+1, as models with that stride in time take them",
    "min-frames": "leave out clips with fewer",
    "max-frames": "of longer clips, the first so many",
    "side-multiple": "width and height are multiples of this, by cutting off as much on both sides",
    "max-area": "pixels of a frame at most; larger ones are reduced",
    "short-side": "pixels of the shorter side at most; larger ones are reduced, none is enlarged",
    "crf": "quality in the codec's own measure, less is better",
}


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_out(command)
    command.add_argument(
        "dest", metavar="DEST", nargs="?", help="folder or bucket URI of the files (default: OUT/files)"
    )
    what = "of the kept clips, those that this holds for, such as \"motion > 2 and camera == 'static'\""
    command.add_argument("--where", metavar="CONDITION", help=what)
    what = "frames a second, picked by time (default: each frame at its own time)"
    command.add_argument("--fps", type=float, help=what)
    for name, what in _NUMBERS.items():
        command.add_argument(f"--{name}", type=int, metavar="N", help=what)
    command.add_argument(
        "--crop-bars", action="store_true", help="cut black bars off, by the columns crop_left and so on"
    )
    what = "h264, h265, av1, vp9 or ffv1 (default: the source's own where it can be copied, else h264)"
    command.add_argument("--codec", metavar="NAME", help=what)
    command.add_argument("--no-sound", dest="sound", action="store_false", help="leave the sound away")
    add_rerun(command)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from pipelines.commands.ending import warned
    from pipelines.cut import Work, run_cut
    from preprocess.cutting.format import CutFormat

    names = ("fps", *(name.replace("-", "_") for name in _NUMBERS), "codec")
    said: dict[str, Any] = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    form = CutFormat(crop_bars=options.crop_bars, sound=options.sound, **said)
    return warned(run_cut(options.out, options.dest, form, where=options.where, work=Work(**rerun(options))))
