"""Runs of a small transformer, and of a LoRA on it: `python -m tests.training.tiny_dit_run OUT [key=value ...]`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from preprocess.io.settings import override
from tests.training.tiny import DIT, TEXT, VAE
from tests.training.tiny_run import TinyBatches
from training.models.dit import VideoDit
from training.models.grid import Shape, TokenGrid
from training.models.on_demand import at_hand
from training.models.text_bytes import ByteTextConfig, ByteTextEncoder
from training.models.vae import VideoVae
from training.models.windows import WindowConfig
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.objectives.generate import GenerateConfig
from training.objectives.lora import LoraModule, LoraObjective
from training.objectives.reward import RewardModule, RewardObjective
from training.objectives.text_to_video import TextToVideo
from training.run.checkpoint import read_networks
from training.run.config import Data, Objective, OptimizerConfig, TrainConfig, TrainerConfig
from training.run.launch import train
from training.run.module import Batch, TrainModule

COLORS = ("red", "blue", "green", "yellow")
SEED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyDit(Objective):
    """A transformer; or a LoRA of rank 3, which no two ranks share evenly, on the transformer of the run `base`."""

    base: str = ""
    whole: bool = False
    """The transformer is made with memory, as it would be without a thought of shards."""
    start: str = ""
    flow: bool = False
    """The LoRA is trained by flow matching, and not by rewards."""
    dropout: float = 0.0
    base_precision: str = "fp32"
    dies_at_step: int = -1
    windows: WindowConfig = field(default_factory=WindowConfig)
    text: ByteTextConfig = TEXT

    def starts_from(self) -> str:
        return self.start

    def grid(self) -> TokenGrid:
        return VAE.grid(DIT.patch)

    def build(self, config: TrainConfig) -> TrainModule:
        model = replace(DIT, windows=self.windows)
        module = DitModule(
            DitObjective(vae="", model=model, text=self.text, latent_scale=1.0), at_hand(VideoVae(VAE)), seed=SEED
        )
        if self.whole:
            module.model = TextToVideo(VideoDit(DIT, seed=SEED), ByteTextEncoder(TEXT, seed=SEED))
            if self.base:
                read_networks(self.base, module)
        if not self.base:
            return module
        if self.flow:
            parts = {"dropout": self.dropout, "base_precision": self.base_precision, "rank": 3, "alpha": 6.0}
            return LoraModule(LoraObjective(base=self.base, **parts), module, seed=SEED)
        sampling = GenerateConfig(num_steps=3, guidance=2.0)
        return RewardModule(RewardObjective(base=self.base, sampling=sampling, rank=3), module, seed=SEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyClips(Data):
    """Captioned noise; four clips make a step."""

    def batches(self, config: TrainConfig, *, rank: int, world_size: int) -> ClipBatches:
        dies_at = config.objective.dies_at_step
        return ClipBatches(seed=0, share=4 // world_size, rank=rank, world_size=world_size, dies_at=dies_at)

    def held_out(self, config: TrainConfig, *, rank: int, world_size: int) -> Sequence[Batch]:
        return [clips([1000 + index for index in range(4) if index % world_size == rank])]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapedClips(TinyClips):
    """The same, whose largest shape is known."""

    def largest_sample(self, grid: TokenGrid) -> tuple[Shape, float]:
        return Shape(5, 16, 16), 4.0


class ClipBatches(TinyBatches):
    """The process is killed in place of the batch of step `dies_at`."""

    def __init__(self, *, dies_at: int, **settings: int) -> None:
        super().__init__(**settings)
        self.dies_at = dies_at

    def __iter__(self) -> Iterator[Batch]:
        while True:
            if self.taken // 4 == self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            first = self.taken + self.rank * self.share
            self.taken += self.share * self.world_size
            yield clips([self._clip(first + index) for index in range(self.share)])


def clips(numbers: Sequence[int]) -> Batch:
    """Videos of 5 frames of 16 x 16 pixels."""
    videos = [torch.rand(3, 5, 16, 16, generator=torch.Generator().manual_seed(clip)) * 2 - 1 for clip in numbers]
    captions = [f"a {COLORS[clip % 4]} circle moving left slowly" for clip in numbers]
    return Batch(video=torch.stack(videos), captions=captions, clip_ids=[f"clip{clip}" for clip in numbers], tokens=2)


def tiny_dit_config(out: Path | str, *assignments: str) -> TrainConfig:
    config = TrainConfig(
        name="tiny",
        out=str(out),
        objective=TinyDit(),
        data=TinyClips(),
        trainer=TrainerConfig(steps=8, seed=SEED, log_every=1, eval_every=4, checkpoint_every=3, ema_decay=0.9),
        optimizer=OptimizerConfig(learning_rate=3e-3),
    )
    return override(config, assignments)


if __name__ == "__main__":
    train(tiny_dit_config(sys.argv[1], *sys.argv[2:]))
