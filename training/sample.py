"""Samples of a trained run, as films and a sheet of their frames, or as pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from training.film import (
    FILM_SUFFIXES,
    PICTURE_SUFFIX,
    Frames,
    Picture,
    write_film,
    write_picture,
)
from training.inference.given import Begun, Continued, Given, GivenFiles
from training.inference.making import How, divided, made_together
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.models.step_cache import StepCache
from training.objectives.generate import GenerateConfig
from training.objectives.quality import psnr
from training.run.config import Precision
from training.run.distributed import own_device
from training.run.noise import SampleNoise
from training.run.runs import config_of, own_precision, trained_generator

logger = logging.getLogger(__name__)

MOST_TOKENS = 53_248
"""Of the samples that are made at once, and without guidance: those of 49 frames of 1024 x 1024."""
SHEET_COLUMNS = 9
"""Most frames of a sample that a sheet shows, evenly spaced."""


def sample(
    run: str,
    prompt: str,
    out: Path,
    *,
    count: int = 1,
    seed: int = 0,
    shape: Shape | None = None,
    config: GenerateConfig,
    files: GivenFiles | None = None,
    precision: Precision | None = None,
    offload: bool = False,
    how: How | None = None,
    compare: bool = False,
    with_lora: bool = True,
) -> list[Path]:
    """Write `count` videos for a prompt (`clip.mp4`, or `clip_0.mp4`, ...) and a sheet of their frames (`clip.png`).

    Where `out` is a PNG file, it is the picture that a shape of one frame makes, and there is no sheet.

    Args:
        run: folder of a run that trained a transformer, or tuned one.
        prompt: what to show; "" leaves it to the model.
        out: the film's path; its suffix names the container.
        count: how many.
        seed: the same seed and prompt give the same videos.
        shape: frames and pixels; None takes the largest that the run was trained on.
        config: steps and guidance.
        files: what else there is beside the prompt, such as a picture to begin with.
        precision: of weights and computation; None takes `runs.own_precision`. Pixels are decoded in float32.
        offload: have the transformer's blocks on the device only while they compute.
        how: chunks of long videos, and steps that are left out.
        compare: of the latter, tell how far the videos are from those with all steps, which are made as well.
        with_lora: False takes the run's LoRA off, where it has one.

    Raises:
        ValueError: there is no such run, the model makes no videos of that shape or from a first frame, or `out` or
            one of `files` is of no kind that can be written or read.
        OSError: `out` cannot be written or a file cannot be opened.
    """
    if count < 1:
        raise ValueError(f"count is {count}, must be at least 1")
    how = how or How()
    trained = config_of(run)
    largest, fps = trained.data.largest_sample(trained.objective.grid())
    shape = shape or largest
    pictures = _makes_pictures(out, shape)
    given = (files or GivenFiles()).read(shape, fps)
    out.parent.mkdir(parents=True, exist_ok=True)
    device = own_device()
    precision = precision or own_precision(trained, device)
    generator = trained_generator(run, device, precision=precision, offload=offload, with_lora=with_lora)
    make = partial(videos, generator, [prompt] * count, shape, config, seed=seed, given=given, precision=precision)
    films = [*make(how=how)]
    if how.cache is not None:
        tell_cached(how.cache, films, [*make(how=replace(how, cache=None))] if compare else None)
    paths = [out if count == 1 else out.with_name(f"{out.stem}_{number}{out.suffix}") for number in range(count)]
    if pictures:
        for path, film in zip(paths, films, strict=True):
            write_picture(path, film[0])
        return paths
    for path, film in zip(paths, films, strict=True):
        write_film(path, film, fps=fps)
    sheet = out.with_suffix(PICTURE_SUFFIX)
    write_picture(sheet, sheet_of(films))
    return [*paths, sheet]


def tell_cached(cache: StepCache, films: Sequence[Frames], whole: Sequence[Frames] | None) -> None:
    """Say in how many steps blocks were left out, and how far the films are from those of all steps."""
    logger.info("blocks were computed in %d of %d steps", cache.computed, cache.asked)
    if whole is not None:
        pairs = [
            tuple(torch.from_numpy(film).float()[None] / 127.5 - 1 for film in both)
            for both in zip(films, whole, strict=True)
        ]
        each = [float(psnr(*pair)) for pair in pairs]
        logger.info("PSNR against all steps: %.2f dB, at worst %.2f dB", sum(each) / len(each), min(each))


def videos(
    generator: VideoGenerator,
    captions: Sequence[str],
    shape: Shape,
    config: GenerateConfig,
    *,
    seed: int,
    given: Given | None = None,
    precision: Precision = "fp32",
    how: How | None = None,
) -> Iterator[Frames]:
    """One film (F, H, W, 3) for each caption, as they are made; `given` says what else there is beside captions.

    As many are made at once as have `MOST_TOKENS`.

    A sample's noise depends on the seed, its caption and how often that came before: other captions do not matter.

    Raises:
        ValueError: the model makes no videos of that shape, or takes no first frame.
    """
    how, given = how or How(), given or Given()
    generator.grid.tokens(shape)
    maker, spans = divided(generator, shape, how)
    if len(spans) > 1 and given.tells:
        raise ValueError("chunks go on from a first frame and are told nothing else; windows are, such as --chunk-by")
    ids = [f"{captions[:place].count(caption)} {caption}" for place, caption in enumerate(captions)]
    at_once = max(1, MOST_TOKENS // generator.grid.tokens(Shape(spans[0], shape.height, shape.width)))
    if how.cache is not None:
        at_once = 1  # what it leaves out depends on all that is made together
    steps, shared = given.steps(config.num_steps), 1 if how.chunks is None else how.chunks.shared
    done, total = 0, -(-len(ids) // at_once) * len(spans) * steps
    for start in range(0, len(ids), at_once):
        some, texts = ids[start : start + at_once], captions[start : start + at_once]
        films: Frames | None = None
        for number, frames in enumerate(spans):
            on_step = how.told_after(done, total)
            noise = SampleNoise(seed, number, some, device=generator.device, stream="sample")
            size = Shape(frames, shape.height, shape.width)
            begun: Begun = given if films is None else Continued(films[:, -shared:])
            made = made_together(maker, texts, size, config, noise, begun, precision, how, on_step)
            films = made if films is None else np.concatenate([films, made[:, shared:]], axis=1)
            done += steps
        assert films is not None
        yield from films[:, : shape.frames]


def sheet_of(films: Sequence[Frames], *, zoom: int = 3) -> Picture:
    """A picture with a row of frames for each film (F, H, W, 3)."""
    shown = np.linspace(0, len(films[0]) - 1, min(len(films[0]), SHEET_COLUMNS)).round().astype(int)
    rows = [np.concatenate(list(film[shown]), axis=1) for film in films]
    return np.concatenate(rows, axis=0).repeat(zoom, axis=0).repeat(zoom, axis=1)


def _makes_pictures(out: Path, shape: Shape) -> bool:
    """Whether `out` is to be a picture rather than a film.

    Raises:
        ValueError: it can be neither.
    """
    if out.is_dir():
        raise ValueError(f"{out} is a folder: name the film in it, such as {out / 'clip.mp4'}")
    suffix = out.suffix.lower()
    if suffix == PICTURE_SUFFIX and shape.frames > 1:
        raise ValueError(f"{out}: {shape.frames} frames make no picture; a shape of one frame does, such as 1x32x32")
    if suffix not in (*FILM_SUFFIXES, PICTURE_SUFFIX):
        raise ValueError(f"{out}: must end in one of {', '.join(FILM_SUFFIXES)}, or {PICTURE_SUFFIX} for a picture")
    return suffix == PICTURE_SUFFIX
