"""A model of many tasks at once, trained on shots drawn in memory: an autoencoder, then a transformer told by chance of
frames, places, paths, pictures and cameras. Walls are so faint that the autoencoder hardly keeps them.

`python -m tests.training.tasks_runs FOLDER` trains all; `TASKS_RUNS=FOLDER` lets the tests take them.
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
from training.models.conditions import PARTS
from training.models.grid import Shape
from training.objectives.control import ControlConfig
from training.objectives.dit import DitObjective
from training.objectives.masks import MaskConfig
from training.run.config import Data, TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.module import Batch
from training.shapes.paths import Shot, cameras, render_path, render_shot, shots

SHAPE = Shape(9, 32, 32)
FPS, FAINT = 4.0, 28.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotClips(Data):
    """Shots of 9 frames of 32 pixels, with their paths and cameras; of two captions one says where the shape goes."""

    count: int = 768
    samples: int = 16

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> ShotBatches:
        return ShotBatches(self, config, rank, world_size)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Sequence[Batch]:
        drawn = held_out(16 * world_size)[rank::world_size]
        return [batch_of(drawn, [shot.scene.caption for shot in drawn], config)]


class ShotBatches:
    """Shots by chance; the state is how many steps were handed out."""

    def __init__(self, data: ShotClips, config: TrainConfig, rank: int, world_size: int) -> None:
        self.data, self.config, self.rank, self.world_size = data, config, rank, world_size
        self.taken = 0

    def __iter__(self) -> Iterator[Batch]:
        drawn = shots(self.data.count, contrast=FAINT)
        while True:
            rng = np.random.default_rng((7, self.taken))
            self.taken += 1
            chosen = rng.integers(len(drawn), size=self.data.samples)[self.rank :: self.world_size]
            short = rng.random(self.data.samples)[self.rank :: self.world_size] < 0.5
            picked = [drawn[place] for place in chosen]
            captions = [
                shot.scene.caption_short if brief else shot.scene.caption
                for shot, brief in zip(picked, short, strict=True)
            ]
            yield batch_of(picked, captions, self.config)

    def state_dict(self) -> Mapping[str, Any]:
        return {"taken": self.taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.taken = state["taken"]


def held_out(count: int) -> list[Shot]:
    """Shots that are never trained on."""
    return shots(count, seed=99, contrast=FAINT)


def batch_of(drawn: Sequence[Shot], captions: Sequence[str], config: TrainConfig) -> Batch:
    made = [_made(shot) for shot in drawn]
    with_camera = torch.tensor([shot.move is not None for shot in drawn])
    video, control, places = (torch.stack(each) for each in zip(*made, strict=True))
    return Batch(
        video=video,
        captions=captions,
        clip_ids=[f"{shot.scene.color}{shot.scene.x:.6f}{shot.scene.y:.6f}" for shot in drawn],
        tokens=config.objective.grid().tokens(SHAPE),
        control=(control, torch.ones(len(drawn), dtype=torch.bool)),
        cameras=(places, with_camera),
    )


@cache
def _made(shot: Shot) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Video, path and cameras."""
    size = {"size": SHAPE.height, "num_frames": SHAPE.frames, "fps": FPS}
    film, path = (
        torch.from_numpy(drawn(shot, **size)).permute(3, 0, 1, 2).float() / 127.5 - 1
        for drawn in (render_shot, render_path)
    )
    return film, path, torch.from_numpy(cameras(shot, num_frames=SHAPE.frames, fps=FPS))


def vae_config(out: Path, *, steps: int = 500) -> TrainConfig:
    config = recipes.tiny_vae("", str(out))
    trainer = TrainerConfig(steps=steps, threads=1, ema_decay=0.99, eval_every=250, log_every=50)
    return replace(config, data=ShotClips(samples=4), trainer=trainer)


def dit_config(out: Path, vae: Path, *, steps: int = 1200) -> TrainConfig:
    config = recipes.tiny_dit("", str(out))
    assert isinstance(config.objective, DitObjective)
    model, latents = config.objective.model, recipes.TINY_LATENTS
    channels = {"known": 1 + latents, "control": latents, "reference": latents, "rays": 6}
    objective = replace(
        config.objective,
        vae=str(vae),
        told=PARTS,
        model=replace(model, in_channels=latents + sum(channels[part] for part in PARTS), patch=1),
        first_frame_share=0.0,
        masks=MaskConfig(share=0.6, last=0.2),
        control=ControlConfig(share=0.6, reference_share=0.3, rays_share=0.8),
    )
    trainer = TrainerConfig(steps=steps, threads=1, ema_decay=0.99, eval_every=250, log_every=50)
    optimizer = replace(config.optimizer, learning_rate=3e-3)
    config = replace(config, objective=objective, data=ShotClips(), trainer=trainer, optimizer=optimizer)
    return config.objective.completed(config, torch.device("cpu"))


def base_runs(folder: Path) -> tuple[Path, Path]:
    """An autoencoder and a transformer, trained unless they are there already: some minutes."""
    train(vae_config(folder / "vae"))
    train(dit_config(folder / "dit", folder / "vae"))
    return folder / "vae", folder / "dit"


if __name__ == "__main__":
    from tests.training import tasks_runs  # by its name, as runs keep it

    tasks_runs.base_runs(Path(sys.argv[1]))
