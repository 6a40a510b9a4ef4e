"""The objective of reward tuning: sample, judge, and pass the gradient back through the last K steps into a LoRA.

EasyAnimate's method (arXiv 2405.18991, section 4.3) after DRaFT-K (arXiv 2309.17400). Unlike theirs, steps before the
last K are not even recorded, several rewards are mixed, and one that is not tuned for is watched: when it falls while
the others rise, the model has found a way around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from training.models.generator import VideoGenerator
from training.models.grid import TokenGrid
from training.models.lora import add_lora, initialise_lora, lora_parameters, without_lora
from training.models.on_demand import VaeSource
from training.objectives.dit import DitModule, built_dit
from training.objectives.generate import GenerateConfig, generate
from training.run.checkpoint import identity, latest, read_state, read_weights
from training.run.config import LOCATION, Objective, TrainConfig
from training.run.module import Batch, Loss, TrainModule
from training.run.noise import SampleNoise
from training.run.runs import config_of
from training.shapes.rewards import reward


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardObjective(Objective):
    """What is rewarded, and how much of the sampling learns from it."""

    base: str = field(metadata=LOCATION)
    """Folder of the run that trained the transformer."""
    rewards: Mapping[str, float] = field(default_factory=lambda: {"color": 1.0, "direction": 0.5})
    """Weight of each reward, by its name in `training.shapes.rewards`."""
    watched: str = "background"
    """A reward that is measured on held-out prompts and not tuned for."""
    last_steps: int = 2
    """K, the steps that the gradient passes through. Memory grows with it."""
    sampling: GenerateConfig = field(default_factory=lambda: GenerateConfig(num_steps=10, guidance=2.0))
    rank: int = 8
    alpha: float = 8.0

    def __post_init__(self) -> None:
        if not 1 <= self.last_steps <= self.sampling.num_steps:
            raise ValueError(
                f"last_steps is {self.last_steps}, must be from 1 to {self.sampling.num_steps} (num_steps)"
            )
        if self.watched in self.rewards:
            raise ValueError(f"watched is {self.watched!r}, which is tuned for: name another")
        for name in (*self.rewards, self.watched):
            reward(name)

    def grid(self) -> TokenGrid:
        """That of the transformer.

        Raises:
            ValueError: there is no trained transformer.
        """
        return self._base().objective.grid()

    def latents_of(self) -> VaeSource | None:
        """As the transformer, though alone the shapes of latents matter."""
        return self._base().objective.latents_of()

    def build(self, config: TrainConfig) -> RewardModule:
        """The transformer, on the meta device, with LoRA; `first_weights` has it as it was trained.

        Raises:
            ValueError: there is no trained transformer.
        """
        return RewardModule(self, built_dit(self._base()), seed=config.trainer.seed)

    def _base(self) -> TrainConfig:
        if not self.base:
            raise ValueError("no run of a transformer is named: --set objective.base=RUN")
        return config_of(self.base)


class RewardModule(TrainModule):
    """Trains the LoRA of `dit`, and alone that is saved. Batches give captions and shapes; pixels are not looked at."""

    def __init__(self, objective: RewardObjective, base: DitModule, *, seed: int = 0) -> None:
        self.objective = objective
        self.base = base
        self.seed = seed
        self.tuned = ""
        """Which checkpoint of the base is tuned; "" before it was read."""
        base.model.requires_grad_(False).eval()
        add_lora(base.model.dit, objective.rank, objective.alpha, seed=seed)
        self.rewards = {name: reward(name) for name in (*objective.rewards, objective.watched)}

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The transformer's; of its weights those of the LoRA alone learn."""
        return self.base.networks

    @property
    def frozen(self) -> Mapping[str, nn.Module]:
        """The transformer's."""
        return self.base.frozen

    def generator(self) -> VideoGenerator:
        """The transformer with its LoRA."""
        return self.base

    def figures(self, held_out: Callable[[], Mapping[str, float]]) -> dict[str, float]:
        """Also what the transformer was worth `before_tuning`."""
        figures = super().figures(held_out)
        with without_lora(self.base.model):
            return figures | {f"before_tuning/{name}": value for name, value in held_out().items()}

    def first_weights(self, network: str) -> None:
        """The base's newest weights, averaged where they were, and changes that are zero."""
        checkpoint = latest(self.objective.base)
        if checkpoint is None:
            raise ValueError(f"{self.objective.base}: no complete checkpoint in it")
        self.tuned = identity(checkpoint)
        self.base.load_extra_state(read_state(checkpoint)["extra"])
        model = self.networks[network]
        changes = lora_parameters(model)
        weights = {name: weight for name, weight in model.state_dict().items() if name not in changes}
        read_weights(checkpoint, network, weights)
        initialise_lora(self.base.model.dit, self.seed)

    def extra_state(self) -> dict[str, Any]:
        """Which weights the LoRA belongs to."""
        return {"tuned": self.tuned}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """See that the base has not changed meanwhile.

        Raises:
            ValueError: its newest checkpoint is another one than was tuned.
        """
        if state["tuned"] != self.tuned:
            raise ValueError(
                f"{self.objective.base}: its newest checkpoint is {self.tuned}, but the LoRA is one of {state['tuned']}"
            )

    def wraps(self, network: str) -> Sequence[torch.nn.Module]:
        """The transformer's blocks."""
        return self.base.wraps(network)

    def calls(self, network: str) -> Sequence[str]:
        """As in flow matching."""
        return self.base.calls(network)

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        """Minus the mixture of rewards, summed over samples."""
        figures = self.judged(batch, noise, graph_steps=self.objective.last_steps)
        scalars = {f"reward/{name}": (float(each.detach().sum()), len(each)) for name, each in figures.items()}
        # Each step forward, and the last K back: to their inputs alone, since what they pass through is not trained.
        flops = self.base.model.flops * (self.objective.sampling.num_steps + self.objective.last_steps)
        total = -figures["mixture"].sum()
        return Loss(total=total, weight=float(len(batch.captions)), scalars=scalars, flops=flops)

    @torch.no_grad()
    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        """Every reward, their `mixture`, its negative as `loss`, and the watched one, on the batch's prompts."""
        figures = self.judged(batch, noise, graph_steps=0)
        figures["loss"] = -figures["mixture"]
        return {name: (float(each.sum()), float(len(each))) for name, each in figures.items()}

    def judged(self, batch: Batch, noise: SampleNoise, *, graph_steps: int) -> dict[str, torch.Tensor]:
        """Each reward (B,) of videos sampled for the batch's captions; `watched/...` without a graph."""
        latents = generate(
            self.base,
            batch.captions,
            noise.normal(*self.base.latent_shape(batch)),
            self.objective.sampling,
            graph_steps=graph_steps,
        )
        video = self.base.decoded(latents)
        figures = {name: self.rewards[name](video, batch.captions) for name in self.objective.rewards}
        figures["mixture"] = sum(
            (weight * figures[name] for name, weight in self.objective.rewards.items()), video.new_zeros(len(video))
        )
        with torch.no_grad():
            figures[f"watched/{self.objective.watched}"] = self.rewards[self.objective.watched](video, batch.captions)
        return figures
