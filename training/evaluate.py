"""What a run is worth, in figures: on clips it has never seen, and for the shapes corpus in what its samples show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from training.film import write_preview
from training.inference.making import as_frames
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.objectives.generate import GenerateConfig
from training.run.config import Precision, TrainConfig
from training.run.distributed import add_figures, own_device
from training.run.module import TrainModule
from training.run.noise import SampleNoise
from training.run.runs import computing, config_of, device_of, own_precision, trained_module
from training.sample import videos
from training.shapes import truth
from training.shapes.corpus import DIRECTIONS, SHAPES, SPEEDS

SHOWN = 6
"""Films beside what an autoencoder gives back."""


def evaluate(
    run: str, sampling: GenerateConfig, *, seed: int = 0, precision: Precision | None = None
) -> dict[str, object]:
    """The figures of a run's newest checkpoint, with averaged weights; also written to RUN/evaluation.json.

    Raises:
        ValueError: there is no such run, or nothing to measure it on.
    """
    config, device = config_of(run), own_device()
    precision = precision or own_precision(config, device)
    module = trained_module(run, device, precision=precision)
    figures: dict[str, object] = {"run": run, "recipe": config.name, "date": date.today().isoformat()}
    with computing(precision, device):
        figures |= module.figures(partial(held_out, config, module))
    generator = module.generator()
    if generator is None:
        with computing(precision, device):
            figures |= shapes_given_back(config, module, Path(run))
    elif _names_shapes(config):
        shape, _ = config.data.largest_sample(generator.grid)
        figures |= shapes_truth(generator, shape, sampling, seed=seed, precision=precision)
    if len(figures) == 3:
        raise ValueError(
            f"{run}: no clip of its manifest is held out, and there is nothing else to measure it on; train with a "
            "larger data.held_out_share"
        )
    path = Path(run) / "evaluation.json"
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def held_out(config: TrainConfig, module: TrainModule) -> dict[str, float]:
    """Means over the clips that were held out, by name, such as `psnr`."""
    total: dict[str, tuple[float, float]] = {}
    device = device_of(module)
    for batch in config.data.held_out(config, rank=0, world_size=1):
        noise = SampleNoise(config.trainer.seed, 0, batch.clip_ids, device=device, stream="held_out")
        add_figures(total, module.evaluate(batch.to(device), noise))
    return {name: round(value / count, 4) for name, (value, count) in sorted(total.items()) if count}


def shapes_given_back(config: TrainConfig, module: TrainModule, folder: Path) -> dict[str, float]:
    """In how many held-out films of the shapes corpus, as an autoencoder gives them back, the shape is read rightly.

    The first films are written as pictures that play, each beside what it became: FOLDER/given_back_0.webp and so on.
    """
    right: list[bool] = []
    device = device_of(module)
    _, fps = config.data.largest_sample(config.objective.grid())
    for batch in config.data.held_out(config, rank=0, world_size=1):
        video = batch.to(device).video
        made = module.given_back(video)
        if made is None:
            return {}
        for film, given_back, caption in zip(as_frames(video), as_frames(made.float()), batch.captions, strict=True):
            named = [word for word in SHAPES if word in caption.split()]
            if not named or len(film) == 1:
                continue
            if len(right) < SHOWN:
                side_by_side = np.concatenate([film, given_back], axis=2)
                write_preview(folder / f"given_back_{len(right)}.webp", side_by_side, fps=fps)
            right.append(truth.shape(given_back) in named)
    return {"shape_share": round(sum(right) / len(right), 4)} if right else {}


def shapes_truth(
    generator: VideoGenerator,
    shape: Shape,
    config: GenerateConfig,
    *,
    seed: int = 0,
    precision: Precision = "fp32",
) -> dict[str, float]:
    """Of 48 samples, how many are mostly of the prompted colour, have its shape and move its way; from pixels alone."""
    prompts = list(_prompts())
    texts = [" ".join(words) for words in prompts]
    films = [*videos(generator, texts, shape, config, seed=seed, precision=precision)]
    seen = {"color": (truth.dominant_color, 1), "shape": (truth.shape, 2), "direction": (truth.direction, 4)}
    if shape.frames == 1:
        del seen["direction"]
    right = {
        what: [see(film) == words[place] for film, words in zip(films, prompts, strict=True)]
        for what, (see, place) in seen.items()
    }
    return {f"prompted_{what}_share": round(sum(those) / len(prompts), 4) for what, those in right.items()}


def _prompts() -> Iterator[Sequence[str]]:
    """Words of `a red circle moving left slowly`: red and blue with every shape, way and speed."""
    for speed, shape, way in product(SPEEDS, SHAPES, DIRECTIONS):
        for color in ("red", "blue"):
            yield ("a", color, shape, "moving", way, speed)


def _names_shapes(config: TrainConfig) -> bool:
    """Whether the run was trained on captions of the shapes corpus."""
    for batch in config.data.held_out(config, rank=0, world_size=1):
        return all(set(caption.split()) & set(SHAPES) for caption in batch.captions)
    return False
