"""LoRA runs on tiny pipelines: `python -m tests.training.families.tiny_pretrained_run OUT CASE FOLDER [key=value]`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from preprocess.io.settings import override
from training.families.pretrained import PretrainedObjective
from training.models.grid import Shape
from training.models.text import Text
from training.run.config import Data, OptimizerConfig, TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.module import Batch
from training.shapes.corpus import render, scenes

CLIPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapesClips(Data):
    """A few scenes of the shapes corpus as pixels; four make a step."""

    frames: int = 9
    side: int = 32
    cached: bool = True
    """Give what the pipeline's encoders make of them, each encoded once."""
    dies_at: int = -1
    """The process is killed in place of this step's batch."""

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> ShapesBatches:
        return ShapesBatches(self, config, rank, world_size)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Sequence[Batch]:
        return [shapes_batch(self, config, range(rank, CLIPS, world_size))]

    def largest_sample(self, grid: Any) -> tuple[Shape, float]:
        return Shape(self.frames, self.side, self.side), 4.0


class ShapesBatches:
    def __init__(self, data: ShapesClips, config: TrainConfig, rank: int, world_size: int) -> None:
        self.data, self.config, self.rank, self.world_size = data, config, rank, world_size
        self.taken = 0

    def __iter__(self) -> Iterator[Batch]:
        while True:
            if self.taken == self.data.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            chosen = np.random.default_rng((7, self.taken)).integers(CLIPS, size=4)
            self.taken += 1
            yield shapes_batch(self.data, self.config, chosen[self.rank :: self.world_size])

    def state_dict(self) -> Mapping[str, Any]:
        return {"taken": self.taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.taken = state["taken"]


@cache
def pixels(frames: int, side: int) -> torch.Tensor:
    """uint8 (CLIPS, F, H, W, 3)."""
    return torch.stack(
        [torch.from_numpy(render(scene, size=side, num_frames=frames, fps=4)) for scene in scenes(CLIPS, seed=5)]
    )


def shapes_batch(data: ShapesClips, config: TrainConfig, chosen: Any) -> Batch:
    places = [int(place) for place in chosen]
    tokens = config.objective.grid().tokens(Shape(data.frames, data.side, data.side))
    captions = [scenes(CLIPS, seed=5)[place].caption for place in places]
    ids = [f"clip{place}" for place in places]
    batch = Batch(video=pixels(data.frames, data.side)[places], captions=captions, clip_ids=ids, tokens=tokens)
    if not data.cached:
        return batch
    latents, text, no_text = encoded(config.objective, data.frames, data.side)
    return replace(
        batch, video=latents[places], latent=True, text=text and (text[0][places], text[1][places]), no_text=no_text
    )


@cache
def encoded(objective: PretrainedObjective, frames: int, side: int) -> tuple[torch.Tensor, Text | None, Text | None]:
    """Latents and texts of all clips, and the text of none; texts where a cache can have them."""
    latents, texts = objective.latents_of(), objective.texts_of(seed=0)
    video = latents.encoded(latents.load(), pixels(frames, side))
    if texts is None:
        return video, None, None
    encoder, captions = texts.load(), [scene.caption for scene in scenes(CLIPS, seed=5)]
    return video, encoder.encode(captions), encoder.encode([""])


def run_config(out: Path | str, case: str, folder: Path | str, *assignments: str) -> TrainConfig:
    from tests.training.families.cases import CASES

    known = CASES[case]
    config = TrainConfig(
        name=case,
        out=str(out),
        objective=PretrainedObjective(
            model=str(folder),
            family=known.family,
            rank=4,
            alpha=8.0,
            base_precision="fp32",
            text_dropout=0.0,
            first_frame_share=float(known.first_frame),
        ),
        data=ShapesClips(frames=known.frames, side=known.side),
        trainer=TrainerConfig(steps=8, threads=1, log_every=1, eval_every=100, checkpoint_every=3, ema_decay=None),
        optimizer=OptimizerConfig(learning_rate=known.rate, weight_decay=0.0),
    )
    return override(config, assignments)


if __name__ == "__main__":
    from tests.training.families import tiny_pretrained_run  # by its name, as runs keep it

    train(tiny_pretrained_run.run_config(*sys.argv[1:4], *sys.argv[4:]))
