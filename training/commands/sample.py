"""`sample RUN`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from training.commands.options import add_sampling, sampling
from training.inference.batch import sample_each
from training.inference.given import GivenFiles
from training.inference.long import Chunks
from training.inference.making import How
from training.inference.prompts import read_prompts
from training.models.grid import Shape
from training.models.step_cache import StepCache
from training.objectives.solvers import Scheduler
from training.run.config import refuse_remote
from training.sample import sample

HELP = "write videos for a prompt, and a sheet of their frames; or for all prompts of a file"


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("run_folder", metavar="RUN")
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--prompt")
    where = "prompts, one a line; or .csv or .parquet with a column caption, maybe negative and seed; or a manifest"
    what.add_argument("--prompts", metavar="FILE", help=where)
    command.add_argument("--negative", default="", metavar="TEXT", help="what to lead away from (default: no text)")
    command.add_argument("--image", metavar="FILE", help="a picture to begin with; its middle, where it does not fit")
    _add_given(command)
    out = "such as clip.mp4; the sheet is clip.png. Or picture.png, with a shape of one frame; of --prompts, a folder"
    command.add_argument("--out", metavar="FILM", help=f"{out} (default: sample.mp4, or samples)")
    command.add_argument("--count", type=int, default=1, help="videos of each prompt (default: %(default)s)")
    command.add_argument("--shape", help="FRAMESxHEIGHTxWIDTH (default: the largest that was trained on)")
    command.add_argument("--without-lora", action="store_true", help="as the model was before it was tuned")
    add_sampling(command)
    ways = "of following the velocity (default: %(default)s); dpm++ and unipc need fewer steps, and diffusers"
    command.add_argument("--scheduler", choices=get_args(Scheduler), default="euler", help=ways)
    _add_ways(command)


def _add_given(command: argparse.ArgumentParser) -> None:
    command.add_argument("--last-image", metavar="FILE", help="a picture to end with")
    video = "a film to make another of, by --strength or --mask; its first frames, its middle"
    command.add_argument("--video", metavar="FILE", help=video)
    mask = "a picture or film, of which white is made anew and black is kept of --video"
    command.add_argument("--mask", metavar="FILE", help=mask)
    strength = "how much of --video is noise at the beginning, to 1 for all, such as 0.6"
    command.add_argument("--strength", type=float, default=1.0, help=strength)
    command.add_argument("--control", metavar="FILE", help="a film of poses, depths, edges or tracks to follow")
    command.add_argument("--reference", metavar="FILE", help="a picture of what things look like")
    camera = "a text file with a camera on each line: fx fy cx cy and world to camera (3 x 4), 16 numbers"
    command.add_argument("--camera", metavar="FILE", help=camera)


def _add_ways(command: argparse.ArgumentParser) -> None:
    keep = (
        "have what is known, by pictures or --mask, come out as the autoencoder keeps it: it is put back in each step"
    )
    command.add_argument("--keep", action="store_true", help=keep)
    blocks = "have the transformer's blocks on the GPU only while they compute"
    command.add_argument("--offload", action="store_true", help=blocks)
    chunk = "make videos with more frames than this in chunks that go on from one another, or in windows"
    command.add_argument("--chunk", type=int, metavar="FRAMES", help=chunk)
    overlap = "of windows (default: half of one), or how many frames the next chunk begins with (default: 1)"
    command.add_argument("--overlap", type=int, default=0, metavar="FRAMES", help=overlap)
    by = "how chunks hang together (default: first_frame where the model takes one, else windows)"
    command.add_argument("--chunk-by", choices=("auto", "first_frame", "windows"), default="auto", help=by)
    cache = "leave out blocks in steps until their input has changed by this share, such as 0.1; says in how many"
    command.add_argument("--cache-steps", type=float, metavar="THRESHOLD", help=cache)
    compare = "make the videos again with all steps, and say how far the first ones are from them"
    command.add_argument("--cache-compare", action="store_true", help=compare)


def run(options: argparse.Namespace) -> None:
    """Make them, and print their paths."""
    shape = None if options.shape is None else _shape(options.shape)
    out = options.out or ("sample.mp4" if options.prompts is None else "samples")
    refuse_remote(out)
    if options.cache_compare and (options.cache_steps is None or options.prompts is not None):
        raise ValueError("--cache-compare goes with --cache-steps and --prompt")
    files = _files(options)
    if options.keep and not any((options.image, options.last_image, options.mask, options.chunk)):
        raise ValueError("--keep goes with what is known: --image, --last-image, --mask, or chunks of --chunk")
    if options.prompts is not None and files != GivenFiles():
        raise ValueError("pictures, films and cameras go with --prompt: a file's prompts have none")
    common = {
        "count": options.count,
        "seed": options.seed,
        "shape": shape,
        "config": replace(sampling(options), negative=options.negative, scheduler=options.scheduler),
        "precision": options.precision,
        "offload": options.offload,
        "with_lora": not options.without_lora,
        "how": _how(options),
    }
    if options.prompts is not None:
        paths = sample_each(options.run_folder, read_prompts(options.prompts), Path(out), **common)
    else:
        paths = sample(
            options.run_folder, options.prompt, Path(out), files=files, compare=options.cache_compare, **common
        )
    for path in paths:
        print(path)


def _files(options: argparse.Namespace) -> GivenFiles:
    names = ("image", "last_image", "video", "mask", "control", "reference", "camera")
    paths = {name: None if getattr(options, name) is None else Path(getattr(options, name)) for name in names}
    return GivenFiles(**paths, strength=options.strength)


def _how(options: argparse.Namespace) -> How:
    chunks = None
    if options.chunk is not None:
        chunks = Chunks(frames=options.chunk, overlap=options.overlap, by=options.chunk_by)
    cache = None if options.cache_steps is None else StepCache(options.cache_steps)
    return How(chunks=chunks, cache=cache, keeps_known=options.keep)


def _shape(text: str) -> Shape:
    try:
        frames, height, width = (int(number) for number in text.split("x"))
    except ValueError:
        raise ValueError(f"--shape {text}: expected FRAMESxHEIGHTxWIDTH, such as 9x32x32") from None
    return Shape(frames, height, width)
