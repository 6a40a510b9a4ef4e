"""What weights to begin with are worth, on the shapes corpus: minutes of training, so no part of `make test`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.shapes_runs import base_runs, colorless, lora_config, stage_configs
from training.film import Frames
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.models.lora import merge_lora, unmerge_lora, without_lora
from training.objectives.generate import GenerateConfig
from training.objectives.latent_video import LatentVideoGenerator
from training.run.launch import train
from training.run.metrics import read_rows
from training.run.runs import trained_generator, trained_module
from training.sample import videos
from training.shapes.corpus import scenes
from training.shapes.truth import dominant_color

pytestmark = pytest.mark.attack
COLOR = "yellow"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A trained autoencoder and a transformer at 32 pixels."""
    known = os.environ.get("SHAPES_RUNS")
    return base_runs(Path(known) if known else tmp_path_factory.mktemp("base"))


def held_out(run: Path) -> dict[int, float]:
    rows = read_rows(str(run))
    return {row["step"]: row["held_out/loss"] for row in rows if "held_out/loss" in row}


def test_stage_two_begins_better_than_200_steps_from_nothing(base: tuple[Path, Path], tmp_path: Path) -> None:
    known = os.environ.get("SHAPES_RUNS")
    small, large = stage_configs(Path(known) if known else tmp_path, base[0])
    train(small)
    train(large)
    started = replace(large, objective=replace(large.objective, start=small.out), out=str(tmp_path / "started"))
    train(replace(started, trainer=replace(started.trainer, steps=1)))
    new, at_once = held_out(Path(large.out)), held_out(tmp_path / "started")
    print(f"held-out loss: new {new}, started {at_once}")
    assert at_once[0] < new[200]


def test_a_lora_of_twelve_clips_of_a_colour_gives_that_colour_and_takes_it_along(
    base: tuple[Path, Path], tmp_path: Path
) -> None:
    _, dit = base
    before = {path: path.read_bytes() for path in dit.rglob("*") if path.is_file()}
    train(lora_config(tmp_path / "lora", dit, COLOR))
    assert {path: path.read_bytes() for path in dit.rglob("*") if path.is_file()} == before
    module = trained_module(str(tmp_path / "lora"))
    generator = module.generator()
    assert isinstance(generator, LatentVideoGenerator)
    with_lora = films(generator)
    with without_lora(generator.model):
        without = films(generator)
    merge_lora(generator.model)
    merged = films(generator)
    unmerge_lora(generator.model)
    shares = {name: share(made) for name, made in (("with", with_lora), ("without", without), ("merged", merged))}
    print(f"share of {COLOR}: {shares}")
    assert shares["without"] < 0.3
    assert shares["with"] > 0.8
    assert shares["merged"] > 0.8
    plain = films(trained_generator(str(dit)))
    assert all(np.array_equal(one, other) for one, other in zip(plain, without, strict=True))
    with without_lora(generator.model):
        assert all(np.array_equal(one, other) for one, other in zip(films(generator), without, strict=True))


def films(generator: VideoGenerator) -> list[Frames]:
    """Of 48 prompts that name no colour."""
    prompts = [colorless(scene) for scene in scenes(48, seed=5)]
    return [*videos(generator, prompts, Shape(9, 32, 32), GenerateConfig(num_steps=10, guidance=1.0), seed=1)]


def share(made: list[Frames]) -> float:
    return sum(dominant_color(film) == COLOR for film in made) / len(made)
