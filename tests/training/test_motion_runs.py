"""What motion modules are worth on an image model that has only seen single frames: minutes of training.

Captions are of the words that training has seen; where a shape is and how it looks, noise alone decides.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.motion_runs import FILM, SEEDS, motion_runs
from training.film import Frames
from training.models.grid import Shape
from training.models.pixart import PixArt
from training.objectives.generate import GenerateConfig
from training.objectives.latent_video import LatentVideoGenerator
from training.run.runs import trained_generator
from training.sample import videos
from training.shapes.corpus import scenes
from training.shapes.truth import direction, dominant_color

pytestmark = pytest.mark.attack
PICTURE = Shape(1, 32, 32)
SCENES = [replace(scene, speed="quickly") for scene in scenes(64, seed=77)]
CAPTIONS = [scene.caption for scene in SCENES]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    known = os.environ.get("MOTION_RUNS")
    return motion_runs(Path(known) if known else tmp_path_factory.mktemp("motion"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_motion_module_takes_direction_from_chance_to_most_films(runs: tuple[Path, list[Path]], seed: int) -> None:
    image, moving = runs
    before, after = films(image, 1 + seed), films(moving[seed], 1 + seed)
    moved, still = directed(after), directed(before)
    print(f"seed {seed}: as asked {still:.2f} without and {moved:.2f} with motion modules")
    print(f"colour of the first frame as asked {colored(before):.2f} without and {colored(after):.2f} with them")
    assert still < 0.4, "64 films by chance, 0.25: 0.4 is 2.8 deviations more"
    assert moved >= 0.6
    assert colored(after) >= max(0.9, colored(before) - 0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_image_model_is_the_same_to_the_bit(runs: tuple[Path, list[Path]], seed: int) -> None:
    image, moving = (network(loaded(run)).state_dict() for run in (runs[0], runs[1][seed]))
    assert all(torch.equal(moving[name], weight) for name, weight in image.items())
    new = moving.keys() - image.keys()
    assert new == {name for name in moving if ".motion." in name}
    assert all(moving[name].any() for name in new if name.endswith("linear_out.weight")), "they have learnt"


def test_taken_off_it_leaves_the_image_model_s_films_and_never_changes_its_pictures(
    runs: tuple[Path, list[Path]],
) -> None:
    image, moving = loaded(runs[0]), loaded(runs[1][0])
    assert same(made(image, PICTURE), made(moving, PICTURE))
    assert not same(made(image, FILM), made(moving, FILM))
    for block in network(moving).blocks:
        block.motion = None
    assert same(made(image, FILM), made(moving, FILM))


def loaded(run: Path) -> LatentVideoGenerator:
    generator = trained_generator(str(run))
    assert isinstance(generator, LatentVideoGenerator)
    return generator


def network(generator: LatentVideoGenerator) -> PixArt:
    dit = generator.model.dit
    assert isinstance(dit, PixArt)
    return dit


@cache
def films(run: Path, seed: int) -> list[Frames]:
    return [*videos(loaded(run), CAPTIONS, FILM, GenerateConfig(num_steps=20, guidance=3.0), seed=seed)]


def made(generator: LatentVideoGenerator, shape: Shape) -> list[Frames]:
    return [*videos(generator, CAPTIONS[:4], shape, GenerateConfig(num_steps=5, guidance=3.0), seed=1)]


def same(some: list[Frames], others: list[Frames]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def directed(made: list[Frames]) -> float:
    return float(np.mean([direction(film) == scene.direction for film, scene in zip(made, SCENES, strict=True)]))


def colored(made: list[Frames]) -> float:
    return float(np.mean([dominant_color(film[:1]) == each.color for film, each in zip(made, SCENES, strict=True)]))
