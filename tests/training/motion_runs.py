"""Runs on the shapes corpus of a video model in two halves: an image model by single frames, motion modules on it.

`python -m tests.training.motion_runs FOLDER` trains them; `MOTION_RUNS=FOLDER` lets the tests take them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from tests.training.shapes_runs import SceneBatches, SceneClips, _vae, _video
from training import recipes
from training.objectives.vae import VaeObjective
from training.run.config import TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.module import Batch
from training.shapes.corpus import Scene, scenes


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFrames(SceneClips):
    """Single frames of the scenes, each time others, as latents of the autoencoder `vae`."""

    vae: str

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> SceneFrameBatches:
        return SceneFrameBatches(self, config, rank, world_size)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Sequence[Batch]:
        return [frames(self.vae, scenes(16, seed=99), [4] * 16)]


class SceneFrameBatches(SceneBatches):
    """Like those of scenes, a frame of each."""

    data: SceneFrames

    def __iter__(self):
        drawn = self.data.drawn()
        while True:
            rng = np.random.default_rng((7, self.taken))
            self.taken += 1
            chosen = rng.integers(len(drawn), size=self.data.samples)
            places = rng.integers(9, size=self.data.samples).tolist()
            yield frames(self.data.vae, [drawn[place] for place in chosen], places)


def frames(vae: str, drawn: Sequence[Scene], places: Sequence[int]) -> Batch:
    latents = torch.stack([_frame(vae, scene, place) for scene, place in zip(drawn, places, strict=True)])
    ids = [f"{scene.color}{scene.x:.6f}{place}" for scene, place in zip(drawn, places, strict=True)]
    return Batch(video=latents, captions=[scene.caption for scene in drawn], clip_ids=ids, tokens=4, latent=True)


@cache
def _frame(vae: str, scene: Scene, place: int) -> torch.Tensor:
    with torch.no_grad():
        return _vae(vae).encode(_video(scene, 32)[None, :, place : place + 1]).mean[0]


def frame_vae_config(out: Path, *, steps: int = 600) -> TrainConfig:
    """An autoencoder that makes a latent frame of each frame."""
    config = recipes.tiny_vae("", str(out))
    assert isinstance(config.objective, VaeObjective)
    objective = replace(config.objective, model=replace(config.objective.model, temporal_stride=1))
    trainer = TrainerConfig(steps=steps, threads=1, ema_decay=0.99, eval_every=200, log_every=50)
    return replace(config, objective=objective, data=SceneClips(samples=4), trainer=trainer)


def image_config(out: Path, vae: Path, *, steps: int = 2000) -> TrainConfig:
    config = recipes.tiny_image("", str(out))
    objective = replace(config.objective, vae=str(vae))
    trainer = TrainerConfig(steps=steps, threads=1, ema_decay=0.99, eval_every=200, log_every=50)
    config = replace(config, objective=objective, data=SceneFrames(vae=str(vae), samples=32), trainer=trainer)
    return config.objective.completed(config, torch.device("cpu"))


def motion_config(out: Path, image: Path, *, steps: int = 1500, kind: str = "temporal") -> TrainConfig:
    config = recipes.tiny_motion("", str(out))
    objective = replace(config.objective, base=str(image), motion=replace(config.objective.motion, kind=kind))
    trainer = TrainerConfig(steps=steps, threads=1, ema_decay=0.99, eval_every=100, log_every=50)
    return replace(config, objective=objective, data=SceneClips(), trainer=trainer)


def motion_runs(folder: Path) -> tuple[Path, Path]:
    """The image model and the motion modules, trained unless they are there already: some minutes."""
    train(frame_vae_config(folder / "vae"))
    train(image_config(folder / "image", folder / "vae"))
    train(motion_config(folder / "motion", folder / "image"))
    return folder / "image", folder / "motion"


if __name__ == "__main__":
    from tests.training import motion_runs as itself  # by its name, as runs keep it

    itself.motion_runs(Path(sys.argv[1]))
