"""An objective of one's own, in one file with its recipe: which colour a caption's video has on average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from training import recipes
from training.models.grid import TokenGrid
from training.models.text_bytes import ByteTextConfig
from training.run.config import Objective, OptimizerConfig, TrainConfig, TrainerConfig
from training.run.module import Batch, Loss, TrainModule
from training.run.noise import SampleNoise


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorObjective(Objective):
    text: ByteTextConfig
    stride: int = 8

    def grid(self) -> TokenGrid:
        return TokenGrid(temporal_stride=4, spatial_stride=self.stride, patch=1)

    def build(self, config: TrainConfig) -> ColorModule:
        return ColorModule(self, seed=config.trainer.seed)


class ColorModule(TrainModule):
    def __init__(self, objective: ColorObjective, *, seed: int) -> None:
        self.text = objective.text.encoder(seed=seed)
        self.color = nn.Linear(objective.text.dim, 3)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"color": self.color}

    @property
    def frozen(self) -> Mapping[str, nn.Module]:
        return {"text": self.text}

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        wrong = self._wrong(batch)
        return Loss(total=wrong.sum(), weight=float(wrong.numel()))

    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        wrong = self._wrong(batch)
        return {"color_error": (float(wrong.sum()), float(wrong.numel()))}

    def _wrong(self, batch: Batch) -> torch.Tensor:
        vectors, mask = self.text.encode(batch.captions)
        means = (vectors * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return (self.color(means) - batch.video.mean((2, 3, 4))).square()


def color(manifest: str, out: str) -> TrainConfig:
    """The tiny autoencoder's data."""
    return replace(
        recipes.tiny_vae(manifest, out),
        name="color",
        objective=ColorObjective(text=ByteTextConfig(dim=16)),
        trainer=TrainerConfig(steps=4, threads=1, log_every=1, checkpoint_every=2),
        optimizer=OptimizerConfig(learning_rate=1e-2),
        other_optimizers={},
    )
