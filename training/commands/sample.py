"""`sample RUN`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import add_sampling, sampling
from training.models.grid import Shape
from training.run.config import refuse_remote
from training.sample import sample

HELP = "write videos for a prompt, and a sheet of their frames"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("run_folder", metavar="RUN")
    command.add_argument("--prompt", required=True)
    command.add_argument("--image", metavar="FILE", help="a picture to begin with; its middle, where it does not fit")
    out = "such as clip.mp4; the sheet is clip.png. Or picture.png, with a shape of one frame"
    command.add_argument("--out", default="sample.mp4", metavar="FILM", help=f"{out} (default: %(default)s)")
    command.add_argument("--count", type=int, default=1)
    command.add_argument("--shape", help="FRAMESxHEIGHTxWIDTH (default: the largest that was trained on)")
    add_sampling(command)


def run(options: argparse.Namespace) -> None:
    """Make them, and print their paths."""
    shape = None if options.shape is None else _shape(options.shape)
    refuse_remote(options.out)
    for path in sample(
        options.run_folder,
        options.prompt,
        Path(options.out),
        count=options.count,
        seed=options.seed,
        shape=shape,
        image=None if options.image is None else Path(options.image),
        config=sampling(options),
        precision=options.precision,
    ):
        print(path)


def _shape(text: str) -> Shape:
    try:
        frames, height, width = (int(number) for number in text.split("x"))
    except ValueError:
        raise ValueError(f"--shape {text}: expected FRAMESxHEIGHTxWIDTH, such as 9x32x32") from None
    return Shape(frames, height, width)
