"""Samples of a trained run, as films and as a sheet of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from training.clips import ClipData
from training.config import TrainConfig
from training.data.shapes import Shape
from training.dit import DitModule
from training.film import Frames, write_film
from training.generate import GenerateConfig, generate
from training.noise import SampleNoise
from training.runs import config_of, trained_dit

SHEET_COLUMNS = 9
"""Most frames of a sample that a sheet shows, evenly spaced."""


def sample(
    run: str, prompt: str, out: Path, *, count: int = 1, seed: int = 0, shape: Shape | None, config: GenerateConfig
) -> list[Path]:
    """Write `count` videos for a prompt (`clip.mp4`, or `clip_0.mp4`, ...) and a sheet of their frames (`clip.png`).

    Args:
        run: folder of a run that trained a transformer, or tuned one.
        prompt: what to show.
        out: the film's path; its suffix names the container.
        count: how many.
        seed: the same seed and prompt give the same videos.
        shape: frames and pixels; None takes the largest that the run was trained on.
        config: steps and guidance.

    Raises:
        ValueError: there is no such run, or the model makes no videos of that shape.
    """
    recipe = config_of(run)
    module = trained_dit(run)
    films = videos(module, [prompt] * count, shape or trained_shape(recipe), config, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    paths = [out if count == 1 else out.with_name(f"{out.stem}_{number}{out.suffix}") for number in range(count)]
    fps = recipe.data.sampler.fps if isinstance(recipe.data, ClipData) else 8.0
    for path, film in zip(paths, films, strict=True):
        write_film(path, film, fps=fps)
    sheet = out.with_suffix(".png")
    sheet.write_bytes(sheet_png(films))
    return [*paths, sheet]


def videos(
    module: DitModule, captions: Sequence[str], shape: Shape, config: GenerateConfig, *, seed: int
) -> list[Frames]:
    """One film (F, H, W, 3) for each caption.

    A sample's noise depends on the seed, its caption and how often that came before: other captions do not matter.

    Raises:
        ValueError: the model makes no videos of that shape.
    """
    vae = module.frozen["vae"].config
    cell = vae.spatial_stride * module.objective.model.patch
    if (shape.frames - 1) % vae.temporal_stride or shape.height % cell or shape.width % cell:
        raise ValueError(f"{shape}: frames must be n * {vae.temporal_stride} + 1, sides multiples of {cell}")
    latent = (
        vae.latent_channels,
        (shape.frames - 1) // vae.temporal_stride + 1,
        shape.height // vae.spatial_stride,
        shape.width // vae.spatial_stride,
    )
    with torch.no_grad():
        ids = [f"{captions[:place].count(caption)} {caption}" for place, caption in enumerate(captions)]
        noise = SampleNoise(seed, 0, ids, stream="sample").normal(*latent)
        pixels = module.decoded(generate(module, captions, noise, config)).clamp(-1, 1)
    frames = ((pixels + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous().numpy()
    return list(frames)


def trained_shape(config: TrainConfig) -> Shape:
    """The longest and largest square shape of a run's recipe.

    Raises:
        ValueError: the run's data names none.
    """
    if not isinstance(config.data, ClipData):
        raise ValueError(f"recipe {config.name} names no shapes: give one")
    recipe = config.data.sampler
    side = recipe.max_side // recipe.grid.cell * recipe.grid.cell
    return Shape(recipe.max_frames, side, side)


def sheet_png(films: Sequence[Frames], *, zoom: int = 3) -> bytes:
    """A PNG file with a row of frames for each film (F, H, W, 3)."""
    shown = np.linspace(0, len(films[0]) - 1, min(len(films[0]), SHEET_COLUMNS)).round().astype(int)
    rows = [np.concatenate(list(film[shown]), axis=1) for film in films]
    sheet = np.concatenate(rows, axis=0).repeat(zoom, axis=0).repeat(zoom, axis=1)
    return bytes(cv2.imencode(".png", sheet[..., ::-1])[1])
