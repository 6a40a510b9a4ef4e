"""Runs on the shapes corpus of a video model in two halves: an image model by single frames, motion modules on it.

`python -m tests.training.motion_runs FOLDER` trains them; `MOTION_RUNS=FOLDER` lets the tests take them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from tests.training.shapes_runs import SceneBatches, SceneClips, _vae
from training import recipes
from training.models.grid import Shape
from training.models.text_words import WordTextConfig
from training.objectives.vae import VaeObjective
from training.run.config import TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.module import Batch
from training.shapes.corpus import Scene, render, scenes

FRAMES, FPS = 5, 4 / 3
"""Of a film: three seconds, as long as shapes are on their way."""
PICTURES = 3
"""How many of the first of them are pictures."""
FILM = Shape(FRAMES, 32, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFilms(SceneClips):
    """Films of the scenes, whose frames the autoencoder `vae` has encoded one by one; or single frames of them."""

    vae: str
    count: int = 1536
    """So many that their places cannot be learnt by heart, as those of 384 are."""
    samples: int = 32
    pictures: bool = False
    """Frames of the films' first half, where what is to go left has most of its way before it: so words of direction
    say something of a picture. Of all frames they would say next to nothing."""

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> SceneFilmBatches:
        return SceneFilmBatches(self, config, rank, world_size)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Sequence[Batch]:
        return [films(self.vae, scenes(32, seed=99), [1] * 32 if self.pictures else None)]


class SceneFilmBatches(SceneBatches):
    """Like those of scenes."""

    data: SceneFilms

    def __iter__(self) -> Iterator[Batch]:
        drawn, data = self.data.drawn(), self.data
        while True:
            rng = np.random.default_rng((7, self.taken))
            self.taken += 1
            chosen = [drawn[place] for place in rng.integers(len(drawn), size=data.samples)]
            yield films(data.vae, chosen, rng.integers(PICTURES, size=data.samples).tolist() if data.pictures else None)


def films(vae: str, drawn: Sequence[Scene], places: Sequence[int] | None) -> Batch:
    """Latents of whole films, or of a frame of each."""
    latents = [_latents(vae, scene) for scene in drawn]
    ids = [f"{scene.color}{scene.x:.6f}{scene.y:.6f}" for scene in drawn]
    if places is not None:
        latents = [film[:, place : place + 1] for film, place in zip(latents, places, strict=True)]
        ids = [f"{name}{place}" for name, place in zip(ids, places, strict=True)]
    video = torch.stack(latents)
    captions = [scene.caption for scene in drawn]
    return Batch(video=video, captions=captions, clip_ids=ids, tokens=4 * video.shape[2], latent=True)


@cache
def _latents(vae: str, scene: Scene) -> torch.Tensor:
    film = torch.from_numpy(render(scene, size=32, num_frames=FRAMES, fps=FPS)).permute(0, 3, 1, 2)[:, :, None]
    with torch.no_grad():
        return _vae(vae).encode(film.float() / 127.5 - 1).mean[:, :, 0].transpose(0, 1)


def frame_vae_config(out: Path, *, steps: int = 600) -> TrainConfig:
    """An autoencoder that makes a latent frame of each frame."""
    config = recipes.tiny_vae("", str(out))
    assert isinstance(config.objective, VaeObjective)
    objective = replace(config.objective, model=replace(config.objective.model, temporal_stride=1))
    trainer = TrainerConfig(steps=steps, threads=1, ema_decay=0.99, eval_every=200, log_every=50)
    return replace(config, objective=objective, data=SceneClips(samples=4), trainer=trainer)


def image_config(out: Path, vae: Path, *, steps: int = 2000) -> TrainConfig:
    """Its captions, read by words, say where shapes go: what it lets through is all that motion modules know."""
    config = recipes.tiny_image("", str(out))
    objective = replace(config.objective, vae=str(vae), text=WordTextConfig())
    data = SceneFilms(vae=str(vae), pictures=True)
    config = replace(config, objective=objective, data=data, trainer=_trainer(steps))
    return config.objective.completed(config, torch.device("cpu"))


def motion_config(
    out: Path, image: Path, vae: Path, *, steps: int = 800, kind: str = "temporal", seed: int = 0
) -> TrainConfig:
    config = recipes.tiny_motion("", str(out))
    objective = replace(config.objective, base=str(image), motion=replace(config.objective.motion, kind=kind))
    return replace(config, objective=objective, data=SceneFilms(vae=str(vae)), trainer=_trainer(steps, seed=seed))


def _trainer(steps: int, *, seed: int = 0) -> TrainerConfig:
    return TrainerConfig(steps=steps, seed=seed, threads=1, ema_decay=0.99, eval_every=200, log_every=50)


SEEDS = (0, 1)
"""Of motion modules' first weights and of their noise."""


def motion_runs(folder: Path) -> tuple[Path, list[Path]]:
    """The image model and motion modules of each seed, trained unless they are there already: some minutes."""
    train(frame_vae_config(folder / "vae"))
    train(image_config(folder / "image", folder / "vae"))
    moving = [folder / f"motion_{seed}" for seed in SEEDS]
    for seed, out in zip(SEEDS, moving, strict=True):
        train(motion_config(out, folder / "image", folder / "vae", seed=seed))
    return folder / "image", moving


if __name__ == "__main__":
    from tests.training import motion_runs as itself  # by its name, as runs keep it

    itself.motion_runs(Path(sys.argv[1]))
