"""The objective of a LoRA by flow matching: a few clips teach a trained transformer a look, and it stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from preprocess.io.bounds import above, at_least, check, within
from training.models.lora import seed_dropout
from training.models.lora_names import fill_lora
from training.models.on_demand import TextSource
from training.models.safe_files import SafeFiles
from training.objectives.dit_module import DitModule, built_dit
from training.objectives.tuned import TunedModule, TunedObjective
from training.run.config import WEIGHTS, TrainConfig
from training.run.module import Batch, Loss
from training.run.noise import SampleNoise, derived_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraObjective(TunedObjective):
    """Levels of noise, dropped texts and told first frames are as the transformer was trained with."""

    rank: int = field(default=16, metadata=at_least(1))
    """Of the change to a layer."""
    alpha: float = field(default=16.0, metadata=above(0))
    dropout: float = field(default=0.0, metadata=within("[0, 1)"))
    """Share of the values that enter a change and are left out, in training."""
    start: str = field(default="", metadata=WEIGHTS)
    """A run of a LoRA, or a LoRA file or hub id, also of PEFT's, diffusers', ComfyUI's or kohya's names; "" is none."""

    def __post_init__(self) -> None:
        check(self)

    def starts_from(self) -> str:
        """See `start`."""
        return self.start

    def texts_of(self, *, seed: int) -> TextSource | None:
        """As the transformer, of its run's seed."""
        base = self.base_config()
        return base.objective.texts_of(seed=base.trainer.seed)

    def build(self, config: TrainConfig) -> LoraModule:
        """The transformer, on the meta device, with LoRA; `first_weights` has it as it was trained.

        Raises:
            ValueError: there is no trained transformer.
        """
        return LoraModule(self, built_dit(self.base_config()), seed=config.trainer.seed)


class LoraModule(TunedModule):
    """The transformer's own loss, of which the LoRA alone learns."""

    def __init__(self, objective: LoraObjective, base: DitModule, *, seed: int = 0) -> None:
        super().__init__(objective, base, seed=seed, dropout=objective.dropout)
        self.dropout = objective.dropout

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        """See `DitModule.loss`."""
        if self.dropout:
            # Beside the noise, so that the same levels are drawn with and without it.
            seeds = [derived_seed(self.seed, step, "dropout", clip_id) for clip_id in batch.clip_ids]
            seed_dropout(self.base.model, seeds)
        loss = self.base.loss(network, batch, noise, step)
        # The way back leads to the inputs alone: what they pass through is not trained.
        return replace(loss, flops=2 * self.base.model.flops)

    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        """See `DitModule.evaluate`."""
        return self.base.evaluate(batch, noise)

    def read_file(self, network: str, file: SafeFiles, weights: Mapping[str, torch.Tensor]) -> None:
        """By whatever names the file has.

        Raises:
            ValueError: it is no LoRA, or one of other layers or another rank.
        """
        within_dit = {name.removeprefix("dit."): weight for name, weight in weights.items()}
        fill_lora(file, within_dit, alpha=self.objective.alpha)

    def check_start(self, run: str, state: Mapping[str, Any]) -> None:
        """See that it is a LoRA of the same weights.

        Raises:
            ValueError: it is not.
        """
        if state.get("tuned") != self.tuned:
            of = state.get("tuned", "no other weights")
            raise ValueError(f"objective.start={run}: it changes {of}, and objective.base is {self.tuned}")
