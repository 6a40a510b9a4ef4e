"""The objective of reward tuning: sample, judge, and pass the gradient back through the last K steps into a LoRA.

EasyAnimate's method (arXiv 2405.18991, section 4.3) after DRaFT-K (arXiv 2309.17400). Unlike theirs, steps before the
last K are not even recorded, several rewards are mixed, and one that is not tuned for is watched: when it falls while
the others rise, the model has found a way around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from torch import nn

from preprocess.io.bounds import at_least, check
from training.models.on_demand import OnDemand
from training.objectives.dit_module import DitModule, built_dit
from training.objectives.flow import NO_STEPS, Recorded
from training.objectives.generate import GenerateConfig, generate
from training.objectives.judges import Judges, check_reward, reward
from training.objectives.tuned import TunedModule, TunedObjective
from training.rewards.base import Reward
from training.run.config import TrainConfig
from training.run.module import Batch, Loss
from training.run.noise import SampleNoise, derived_seed
from training.run.planned import CAPTION, Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardObjective(TunedObjective):
    """What is rewarded, and how much of the sampling learns from it."""

    rewards: Mapping[str, float] = field(default_factory=lambda: {"color": 1.0, "direction": 0.5})
    """Weight of each reward, by its name in `training.objectives.judges`."""
    watched: str = "background"
    """A reward that is measured on held-out prompts and not tuned for."""
    judges: Judges = field(default_factory=Judges)
    """Weights of the rewards that are models."""
    strategy: Literal["last", "random", "drtune"] = "last"
    """Which K steps learn: the last (DRaFT-K); any, drawn anew each step; or, drawn too, evenly spaced ones whose
    gradient does not pass through the latents that entered them (DRTune, arXiv 2405.00760)."""
    last_steps: int = 2
    """K, the steps that the gradient passes through. Memory grows with it."""
    decoded_latents: int | None = field(default=None, metadata=at_least(1))
    """Latent frames that are decoded and judged, from the first; None: all. 1 gives the first frame alone."""
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
            check_reward(name, self.judges)

    def recorded(self, draw: int) -> Recorded:
        """The steps that learn, by a number drawn at random."""
        steps, count = self.sampling.num_steps, self.last_steps
        if self.strategy == "random":
            drawn = torch.randperm(steps, generator=torch.Generator().manual_seed(draw))[:count]
            return Recorded(steps=frozenset(drawn.tolist()))
        if self.strategy == "drtune":
            first = draw % (steps // count)
            return Recorded(
                steps=frozenset(first + place * (steps // count) for place in range(count)), through_latents=False
            )
        return Recorded(steps=frozenset(range(steps - count, steps)))

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
        self._rewards = {
            name: OnDemand(partial(self._loaded, name)) for name in (*objective.rewards, objective.watched)
        }

    @property
    def frozen(self) -> Mapping[str, nn.Module]:
        """Also the models that judge, once they were needed."""
        loaded = {name: each.loaded for name, each in self._rewards.items()}
        models = {f"reward_{name}": each.module for name, each in loaded.items() if each and each.module is not None}
        return {**super().frozen, **models}

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        """Minus the mixture of rewards, summed over samples."""
        recorded = self.objective.recorded(derived_seed(self.seed, step, "recorded"))
        figures = self.judged(batch, noise, recorded)
        scalars = {f"reward/{name}": (float(each.detach().sum()), len(each)) for name, each in figures.items()}
        # Each step forward, and the last K back: to their inputs alone, since what they pass through is not trained.
        flops = self.base.model.flops * (self.objective.sampling.num_steps + self.objective.last_steps)
        total = -figures["mixture"].sum()
        return Loss(total=total, weight=float(len(batch.captions)), scalars=scalars, flops=flops)

    @torch.no_grad()
    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        """Every reward, their `mixture`, its negative as `loss`, and the watched one, on the batch's prompts."""
        figures = self.judged(batch, noise, NO_STEPS)
        figures["loss"] = -figures["mixture"]
        return {name: (float(each.sum()), float(len(each))) for name, each in figures.items()}

    def judged(self, batch: Batch, noise: SampleNoise, recorded: Recorded) -> dict[str, torch.Tensor]:
        """Each reward (B,) of videos sampled for the batch's captions; `watched/...` without a graph."""
        latents = generate(
            self.base,
            batch.captions,
            noise.normal(*self.base.latent_shape(batch)),
            self.objective.sampling,
            recorded=recorded,
        )
        video = self.base.decoded(latents[:, :, : self.objective.decoded_latents])
        figures = {name: self._rewards[name]()(video, batch.captions) for name in self.objective.rewards}
        figures["mixture"] = sum(
            (weight * figures[name] for name, weight in self.objective.rewards.items()), video.new_zeros(len(video))
        )
        watched = self.objective.watched
        with torch.no_grad():
            figures[f"watched/{watched}"] = self._rewards[watched]()(video, batch.captions)
        return figures

    def _loaded(self, name: str) -> Reward:
        judge = reward(name, self.objective.judges)
        if judge.module is not None:
            judge.module.requires_grad_(False).eval().to(self.base.device)
        return judge
