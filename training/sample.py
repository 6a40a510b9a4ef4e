"""Samples of a trained run, as films and a sheet of their frames, or as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from training.data.read.crop import Box, choose_crop, cropped
from training.film import (
    FILM_SUFFIXES,
    PICTURE_SUFFIX,
    Frames,
    Picture,
    read_picture,
    write_film,
    write_picture,
)
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.models.pixels import as_model_input
from training.objectives.generate import GenerateConfig, generate
from training.run.config import Precision
from training.run.distributed import own_device
from training.run.noise import SampleNoise
from training.run.runs import computing, config_of, own_precision, trained_generator

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
    image: Path | None = None,
    config: GenerateConfig,
    precision: Precision | None = None,
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
        image: a picture to begin with, of which the largest part of the shape's aspect is taken, from the middle.
        config: steps and guidance.
        precision: of weights and computation; None takes `runs.own_precision`. Pixels are decoded in float32.

    Raises:
        ValueError: there is no such run, the model makes no videos of that shape or from a first frame, or `out` or
            `image` is no file of a kind that can be written or read.
        OSError: `out` cannot be written or `image` cannot be opened.
    """
    if count < 1:
        raise ValueError(f"count is {count}, must be at least 1")
    trained = config_of(run)
    largest, fps = trained.data.largest_sample(trained.objective.grid())
    shape = shape or largest
    pictures = _makes_pictures(out, shape)
    first = None if image is None else fitted(read_picture(image), shape)
    out.parent.mkdir(parents=True, exist_ok=True)
    device = own_device()
    precision = precision or own_precision(trained, device)
    generator = trained_generator(run, device, precision=precision)
    films = videos(generator, [prompt] * count, shape, config, seed=seed, first=first, precision=precision)
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


def videos(
    generator: VideoGenerator,
    captions: Sequence[str],
    shape: Shape,
    config: GenerateConfig,
    *,
    seed: int,
    first: Picture | None = None,
    precision: Precision = "fp32",
) -> list[Frames]:
    """One film (F, H, W, 3) for each caption; with `first` (H, W, 3), each goes on from that picture.

    As many are made at once as have `MOST_TOKENS`.

    A sample's noise depends on the seed, its caption and how often that came before: other captions do not matter.

    Raises:
        ValueError: the model makes no videos of that shape, or takes no first frame.
    """
    latent = (generator.latent_channels, *generator.grid.latents(shape))
    if first is not None and shape.frames == 1:
        raise ValueError(f"{shape}: nothing is left to make where the first frame is given")
    ids = [f"{captions[:place].count(caption)} {caption}" for place, caption in enumerate(captions)]
    at_once = max(1, MOST_TOKENS // generator.grid.tokens(shape))
    films: list[Frames] = []
    for start in range(0, len(ids), at_once):
        some, texts = ids[start : start + at_once], captions[start : start + at_once]
        noise = SampleNoise(seed, 0, some, device=generator.device, stream="sample").normal(*latent)
        with torch.no_grad():
            known = None
            if first is not None:
                frames = torch.from_numpy(first)[None, None].to(generator.device)
                known = generator.first_frame(as_model_input(frames), latent[1]).expand(len(texts), -1, -1, -1, -1)
            with computing(precision, generator.device):
                latents = generate(generator, texts, noise, config, condition=known)
            latents = latents[:, :, -generator.grid.latent_frames(shape.frames) :]  # those in front are filling
            pixels = generator.decoded(latents.float()).clamp_(-1, 1)
            levels = pixels.add_(1).mul_(127.5).round_().to(torch.uint8)
            films.extend(levels.permute(0, 2, 3, 4, 1).contiguous().cpu().numpy())
    return films


def fitted(picture: Picture, shape: Shape) -> Picture:
    """The largest part of a picture (H, W, 3) with the shape's aspect, from its middle, in the shape's size."""
    height, width = picture.shape[:2]
    whole = Box(left=0, top=0, right=width, bottom=height)
    crop = choose_crop(whole, height=shape.height, width=shape.width, place=(0.5, 0.5))
    return cropped(picture, crop, displayed=(height, width), height=shape.height, width=shape.width)


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
