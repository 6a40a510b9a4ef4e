"""What a run is worth, in figures: on clips it has never seen, and for the shapes corpus in what its samples show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from itertools import islice, product
from pathlib import Path

from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.objectives.generate import GenerateConfig
from training.run.config import Precision, TrainConfig
from training.run.distributed import add_figures, own_device
from training.run.module import TrainModule
from training.run.noise import SampleNoise
from training.run.runs import computing, config_of, device_of, own_precision, trained_module
from training.sample import videos
from training.shapes.corpus import DIRECTIONS, SHAPES, SPEEDS
from training.shapes.truth import direction, dominant_color

SAMPLES = 32
"""Half for red, half for blue."""


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
    if generator is not None and _names_shapes(config):
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


def shapes_truth(
    generator: VideoGenerator,
    shape: Shape,
    config: GenerateConfig,
    *,
    seed: int = 0,
    precision: Precision = "fp32",
) -> dict[str, float]:
    """In how many of the samples the prompted colour dominates, and how many move the prompted way; from pixels."""
    prompts = list(islice(_prompts(), SAMPLES))
    films = videos(generator, [" ".join(words) for words in prompts], shape, config, seed=seed, precision=precision)
    colors = [dominant_color(film) == words[1] for film, words in zip(films, prompts, strict=True)]
    figures = {"prompted_color_share": sum(colors) / SAMPLES}
    if shape.frames > 1:
        ways = [direction(film) == words[4] for film, words in zip(films, prompts, strict=True)]
        figures["prompted_direction_share"] = sum(ways) / SAMPLES
    return figures


def _prompts() -> Iterator[Sequence[str]]:
    """Words of `a red circle moving left slowly`, red and blue in turn, through the other words in turn."""
    for speed, shape, way in product(SPEEDS, SHAPES, DIRECTIONS):
        for color in ("red", "blue"):
            yield ("a", color, shape, "moving", way, speed)


def _names_shapes(config: TrainConfig) -> bool:
    """Whether the run was trained on captions of the shapes corpus."""
    for batch in config.data.held_out(config, rank=0, world_size=1):
        return all(set(caption.split()) & set(SHAPES) for caption in batch.captions)
    return False
