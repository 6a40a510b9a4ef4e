"""The objective of reward tuning: sample, judge, and pass the gradient back through the last K steps into a LoRA.

EasyAnimate's method (arXiv 2405.18991, section 4.3) after DRaFT-K (arXiv 2309.17400). Unlike theirs, steps before the
last K are not even recorded, several rewards are mixed, and one that is not tuned for is watched: when it falls while
the others rise, the model has found a way around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from preprocess.io.bounds import check
from training.objectives.dit import DitModule, built_dit
from training.objectives.generate import GenerateConfig, generate
from training.objectives.tuned import TunedModule, TunedObjective
from training.run.config import TrainConfig
from training.run.module import Batch, Loss
from training.run.noise import SampleNoise
from training.run.planned import CAPTION, Planned
from training.shapes.rewards import reward


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardObjective(TunedObjective):
    """What is rewarded, and how much of the sampling learns from it."""

    rewards: Mapping[str, float] = field(default_factory=lambda: {"color": 1.0, "direction": 0.5})
    """Weight of each reward, by its name in `training.shapes.rewards`."""
    watched: str = "background"
    """A reward that is measured on held-out prompts and not tuned for."""
    last_steps: int = 2
    """K, the steps that the gradient passes through. Memory grows with it."""
    sampling: GenerateConfig = field(default_factory=lambda: GenerateConfig(num_steps=10, guidance=2.0))

    def __post_init__(self) -> None:
        check(self)
        if not 1 <= self.last_steps <= self.sampling.num_steps:
            raise ValueError(
                f"last_steps is {self.last_steps}, must be from 1 to {self.sampling.num_steps} (num_steps)"
            )
        if self.watched in self.rewards:
            raise ValueError(f"watched is {self.watched!r}, which is tuned for: name another")
        for name in (*self.rewards, self.watched):
            reward(name)

    def planned(self, config: TrainConfig) -> Planned:
        """A whole sampling and the way back from pixels, of a transformer that must be there with its autoencoder."""
        planned = TunedObjective.planned(self, config)  # slots make a new class, which super() does not know
        assert isinstance(planned.module, RewardModule)
        base = planned.module.base
        _ = base.vae  # where nothing is computed, nothing can be read from a disk
        if not base.objective.text.learns:
            base.encoded([CAPTION])
        return replace(planned, assumed="prompts, whose videos are sampled, decoded and judged")

    def build(self, config: TrainConfig) -> RewardModule:
        """The transformer, on the meta device, with LoRA; `first_weights` has it as it was trained.

        Raises:
            ValueError: there is no trained transformer.
        """
        return RewardModule(self, built_dit(self.base_config()), seed=config.trainer.seed)


class RewardModule(TunedModule):
    """Batches give captions and shapes; pixels are not looked at."""

    objective: RewardObjective

    def __init__(self, objective: RewardObjective, base: DitModule, *, seed: int = 0) -> None:
        super().__init__(objective, base, seed=seed)
        base.model.eval()
        self.rewards = {name: reward(name) for name in (*objective.rewards, objective.watched)}

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
