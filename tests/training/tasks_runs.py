"""A model of many tasks at once, trained on shots drawn in memory: an autoencoder, then a transformer told by chance of
frames, places, paths, pictures and cameras. The autoencoder is shown paths and films in parts as well: what it does not
keep, nobody is told.

`python -m tests.training.tasks_runs FOLDER` trains all; `TASKS_RUNS=FOLDER` lets the tests take them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from training import recipes_shapes
from training.models.conditions import PARTS
from training.models.grid import Shape
from training.models.sizes import ea_tiny
from training.objectives.control import ControlConfig
from training.objectives.dit import DitObjective
from training.objectives.masks import UNKNOWN, MaskConfig, drawn_masks
from training.run.config import Data, Stage, TrainConfig
from training.run.launch import train
from training.run.module import Batch
from training.run.noise import SampleNoise
from training.shapes.paths import MOVES, Shot, cameras, render_path, render_shot, shots

SHAPE = Shape(9, 32, 32)
FPS, CONTRAST, STRIPED_CONTRAST, STRIPES = 4.0, 60.0, 100.0, 1.25
Walls = Literal["waves", "stripes", "papers"]
"""Waves of all directions; stripes across and down, `STRIPES` cycles a picture's width, which differ by where they
begin; or stripes that begin in one of two places each way, so that there are four wallpapers."""
KINDS = MaskConfig(share=0.6, nothing=0.0, last=0.3, first=0.2, ends=0.2)
"""EasyAnimate leaves nothing known in a fifth of its masks; here more than that have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotClips(Data):
    """Shots of 9 frames of 32 pixels, with their paths and cameras; of two captions one says where the shape goes."""

    count: int = 1536
    samples: int = 16
    still: bool = False
    """Whether a sample is one frame alone."""
    told_share: float = 0.0
    """Of the samples that are, in place of a film, what a transformer is told: a path, or a film in parts."""
    walls: Walls = "waves"
    """Of what kind."""
    standing: int = 0
    """How often each shot before a wall is among the shots again, its shape standing there."""

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> ShotBatches:
        return ShotBatches(self, config, rank, world_size)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Sequence[Batch]:
        drawn = held_out(16 * world_size, walls=self.walls)[rank::world_size]
        return [batch_of(drawn, [shot.scene.caption for shot in drawn], config)]


class ShotBatches:
    """Shots by chance; the state is how many steps were handed out."""

    def __init__(self, data: ShotClips, config: TrainConfig, rank: int, world_size: int) -> None:
        self.data, self.config, self.rank, self.world_size = data, config, rank, world_size
        self.taken = 0

    def __iter__(self) -> Iterator[Batch]:
        data, mine = self.data, slice(self.rank, None, self.world_size)
        drawn = shots_of(data.count, walls=data.walls)
        drawn += [stood(shot) for shot in drawn if shot.waves] * data.standing
        while True:
            rng = np.random.default_rng((7, self.taken))
            self.taken += 1
            chosen = rng.integers(len(drawn), size=data.samples)[mine]
            short, told = (rng.random(data.samples)[mine] < share for share in (0.5, data.told_share))
            picked = [drawn[place] for place in chosen]
            captions = [
                shot.scene.caption_short if brief or shot.stands else shot.scene.caption
                for shot, brief in zip(picked, short, strict=True)
            ]
            batch = batch_of(picked, captions, self.config)
            video = batch.video if not told.any() else as_told(batch, torch.from_numpy(told), self.taken)
            place = int(rng.integers(SHAPE.frames))
            yield replace(batch, video=video[:, :, place, None] if data.still else video)

    def state_dict(self) -> Mapping[str, Any]:
        return {"taken": self.taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.taken = state["taken"]


def as_told(batch: Batch, told_B: torch.Tensor, step: int) -> torch.Tensor:
    """The batch's films, some of them as a transformer is told of them: every second one its path, others in parts."""
    noise = SampleNoise(7, step, batch.clip_ids, stream="told")
    known = drawn_masks(KINDS, noise, (SHAPE.frames, SHAPE.height, SHAPE.width))
    parts = torch.where(known > 0, batch.video, UNKNOWN)
    assert batch.control is not None
    parts[::2] = batch.control[0][::2]
    return torch.where(told_B.view(-1, 1, 1, 1, 1), parts, batch.video)


def held_out(count: int, *, walls: Walls = "papers") -> list[Shot]:
    """Shots that are never trained on."""
    return shots_of(count, seed=99, walls=walls)


def shots_of(count: int, *, seed: int = 0, walls: Walls) -> list[Shot]:
    return [_before(walls, shot) if shot.waves else shot for shot in shots(count, seed=seed, contrast=CONTRAST)]


def stood(shot: Shot) -> Shot:
    """Its shape stands before the wall, where it stays in the picture, and goes only as the camera does."""
    x = 0.5 + 0.3 * (shot.scene.x - 0.5) - 0.6 * MOVES[shot.move or "still"][0]
    return replace(shot, stands=True, scene=replace(shot.scene, x=x, y=0.5 + 0.6 * (shot.scene.y - 0.5)))


def _before(walls: Walls, shot: Shot) -> Shot:
    if walls == "waves":
        return shot
    across, down = ((shot.waves[wave][2] if walls == "stripes" else _half(shot.waves[wave][2])) for wave in (0, 1))
    return replace(shot, waves=((STRIPES, 0.0, across), (0.0, STRIPES, down)), contrast=STRIPED_CONTRAST)


def _half(phase: float) -> float:
    """The nearest half turn."""
    return np.pi * round(phase / np.pi)


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
    size: dict[str, Any] = {"size": SHAPE.height, "num_frames": SHAPE.frames, "fps": FPS}
    film, path = (
        torch.from_numpy(drawn(shot, **size)).permute(3, 0, 1, 2).float() / 127.5 - 1
        for drawn in (render_shot, render_path)
    )
    return film, path, torch.from_numpy(cameras(shot, num_frames=SHAPE.frames, fps=FPS))


def vae_config(out: Path, *, pictures: int = 1400, films: int = 500) -> TrainConfig:
    """That of the demo, at half its side; it is shown what transformers are told, too, so that it keeps that."""
    config = recipes_shapes.vae("", str(out))
    still = config.stages["pictures"]
    still_trainer = replace(still.trainer, steps=pictures, log_every=50)
    still_data = ShotClips(samples=16, still=True, told_share=0.25)
    return replace(
        config,
        stages={"pictures": replace(still, data=still_data, trainer=still_trainer)},
        data=ShotClips(samples=4, told_share=0.25),
        trainer=replace(config.trainer, steps=films, log_every=50),
    )


def dit_config(out: Path, vae: Path, *, steps: int = 2000, camera_steps: int = 1500) -> TrainConfig:
    """By shots of all kinds, and then, in two rounds, mostly by shapes that stand before a wall, for the camera."""
    config = recipes_shapes.dit("", str(out))
    assert isinstance(config.objective, DitObjective)
    latents = recipes_shapes.LATENTS
    channels = {"known": 1 + latents, "control": latents, "reference": latents, "rays": 6}
    objective = replace(
        config.objective,
        vae=str(vae),
        told=PARTS,
        model=replace(
            ea_tiny(),
            latent_channels=latents,
            in_channels=latents + sum(channels[part] for part in PARTS),
            patch=1,
        ),
        first_frame_share=0.0,
        masks=KINDS,
        control=ControlConfig(share=0.5, reference_share=0.3, rays_share=0.8),
    )
    for_camera = replace(
        objective,
        masks=replace(KINDS, first=0.6, last=0.1, ends=0.1),
        control=ControlConfig(share=0.2, reference_share=0.2, rays_share=0.95),
    )
    trainer = replace(config.trainer, steps=steps, eval_every=500, log_every=50)
    all_kinds = Stage(data=ShotClips(walls="stripes"), trainer=trainer, optimizer=config.optimizer, objective=objective)
    standing, camera_trainer = ShotClips(walls="papers", standing=3), replace(trainer, steps=camera_steps)
    camera = Stage(data=standing, trainer=camera_trainer, optimizer=config.optimizer)
    return replace(
        config,
        objective=for_camera,
        stages={"all": all_kinds, "camera": camera},
        data=standing,
        trainer=camera_trainer,
    )


def base_runs(folder: Path) -> tuple[Path, Path]:
    """An autoencoder and a transformer, trained unless they are there already: about half an hour of a core."""
    train(vae_config(folder / "vae"))
    train(dit_config(folder / "dit", folder / "vae"))
    return folder / "vae", folder / "dit"


if __name__ == "__main__":
    from tests.training import tasks_runs  # by its name, as runs keep it

    tasks_runs.base_runs(Path(sys.argv[1]))
