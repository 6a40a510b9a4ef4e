"""Runs on the shapes corpus, drawn in memory: an autoencoder, a transformer on its latents, and 12 clips of a colour.

`python -m tests.training.shapes_runs FOLDER` trains the first two; `SHAPES_RUNS=FOLDER` lets the tests take them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import recipes
from training.models.grid import Shape, TokenGrid
from training.objectives.dit import DitObjective
from training.objectives.tuned import AddedObjective
from training.objectives.vae import VaeObjective
from training.run.config import Data, TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.module import Batch
from training.shapes.corpus import Scene, render, scenes


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneClips(Data):
    """Scenes of 9 frames of `size` pixels. A half of the captions names no colour, or all where one is picked."""

    count: int = 384
    color: str = ""
    """Take scenes of this colour alone."""
    samples: int = 16
    size: int = 32

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> SceneBatches:
        return SceneBatches(self, config, rank, world_size)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Sequence[Batch]:
        drawn = scenes(16 * world_size, seed=99)[rank::world_size]
        return [clips(drawn, [scene.caption for scene in drawn], config, self.size)]

    def largest_sample(self, grid: TokenGrid) -> tuple[Shape, float]:
        return Shape(9, self.size, self.size), 4.0

    def drawn(self) -> list[Scene]:
        found = [
            each for each in scenes(8 * self.count if self.color else self.count) if self.color in ("", each.color)
        ]
        return found[: self.count]


class SceneBatches:
    """Scenes by chance; the state is how many steps were handed out."""

    def __init__(self, data: SceneClips, config: TrainConfig, rank: int, world_size: int) -> None:
        self.data, self.config, self.rank, self.world_size = data, config, rank, world_size
        self.taken = 0

    def __iter__(self) -> Iterator[Batch]:
        drawn = self.data.drawn()
        while True:
            rng = np.random.default_rng((7, self.taken))
            self.taken += 1
            chosen = rng.integers(len(drawn), size=self.data.samples)[self.rank :: self.world_size]
            silent = rng.random(self.data.samples)[self.rank :: self.world_size] < 0.5
            picked = [drawn[place] for place in chosen]
            told = [
                colorless(each) if quiet or self.data.color else each.caption
                for each, quiet in zip(picked, silent, strict=True)
            ]
            yield clips(picked, told, self.config, self.data.size)

    def state_dict(self) -> Mapping[str, Any]:
        return {"taken": self.taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.taken = state["taken"]


def colorless(scene: Scene) -> str:
    """Such as `a circle moving left slowly`."""
    return scene.caption.replace(f" {scene.color}", "")


def clips(drawn: Sequence[Scene], captions: Sequence[str], config: TrainConfig, size: int) -> Batch:
    """Latents where the objective takes them, or pixels."""
    video = torch.stack([_video(scene, size) for scene in drawn])
    grid, latent = config.objective.grid(), False
    if isinstance(config.objective, VaeObjective):
        captions = [""] * len(drawn)
    elif vae := _vae_of(config):
        video, latent = torch.stack([_latents(vae, scene, size) for scene in drawn]), True
    ids = [f"{scene.color}{scene.x:.6f}{scene.y:.6f}" for scene in drawn]
    return Batch(video=video, captions=captions, clip_ids=ids, tokens=grid.tokens(Shape(9, size, size)), latent=latent)


def _vae_of(config: TrainConfig) -> str:
    """Whose latents are trained on; "" while their scale is being measured."""
    if isinstance(config.objective, AddedObjective):
        return _vae_of(config.objective.base_config())
    return config.objective.vae if config.objective.latent_scale is not None else ""


@cache
def _video(scene: Scene, size: int) -> torch.Tensor:
    film = torch.from_numpy(render(scene, size=size, num_frames=9, fps=4))
    return film.permute(3, 0, 1, 2).float() / 127.5 - 1


@cache
def _latents(vae: str, scene: Scene, size: int) -> torch.Tensor:
    with torch.no_grad():
        return _vae(vae).encode(_video(scene, size)[None]).mean[0]


@cache
def _vae(run: str) -> Any:
    from training.objectives.vae import trained_vae

    return trained_vae(run)


def vae_config(out: Path, *, steps: int = 600) -> TrainConfig:
    config = recipes.tiny_vae("", str(out))
    trainer = TrainerConfig(steps=steps, threads=1, ema_decay=0.99, eval_every=200, log_every=50)
    return replace(config, data=SceneClips(samples=4), trainer=trainer)


def dit_config(out: Path, vae: Path, *, steps: int = 1500) -> TrainConfig:
    config = recipes.tiny_dit("", str(out))
    assert isinstance(config.objective, DitObjective)
    objective = replace(config.objective, vae=str(vae), first_frame_share=0.0)
    trainer = TrainerConfig(steps=steps, threads=1, ema_decay=0.99, eval_every=100, log_every=50)
    config = replace(config, objective=objective, data=SceneClips(), trainer=trainer)
    return config.objective.completed(config, torch.device("cpu"))


def stage_configs(folder: Path, vae: Path) -> tuple[TrainConfig, TrainConfig]:
    """A stage of 32 pixels, and one of 64 that would begin with it: as many tokens a step, at a rate for known weights.

    Tokens are of one latent, and positions those of the small picture: with positions that are counted, or four tokens
    a frame, the larger picture is a new thing. So it is after a longer first stage, which knows small pictures alone.
    """
    small = dit_config(folder / "small", vae, steps=400)
    assert isinstance(small.objective, DitObjective)
    objective = replace(small.objective, model=replace(small.objective.model, patch=1, base_grid=(4, 4)))
    optimizer = replace(small.optimizer, learning_rate=1e-3, schedule="constant")
    small = replace(small, objective=objective)
    trainer = replace(small.trainer, steps=200)
    large = replace(
        small, out=str(folder / "large"), data=SceneClips(size=64, samples=4), trainer=trainer, optimizer=optimizer
    )
    return small, large


def lora_config(out: Path, base: Path, color: str, *, clips: int = 12, steps: int = 200) -> TrainConfig:
    """A LoRA by clips of one colour, whose captions do not say which."""
    config = recipes.tiny_lora("", str(out))
    objective = replace(config.objective, base=str(base))
    data = SceneClips(count=clips, color=color, samples=8)
    return replace(
        config, objective=objective, data=data, trainer=replace(config.trainer, steps=steps, eval_every=steps)
    )


def base_runs(folder: Path) -> tuple[Path, Path]:
    """An autoencoder and a transformer, trained unless they are there already: some minutes."""
    train(vae_config(folder / "vae"))
    train(dit_config(folder / "dit", folder / "vae"))
    return folder / "vae", folder / "dit"


if __name__ == "__main__":
    from tests.training import shapes_runs  # by its name, as runs keep it

    shapes_runs.base_runs(Path(sys.argv[1]))
