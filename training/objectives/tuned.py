"""What objectives have in common that train an addition to a transformer of another run, and save that alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from preprocess.io.bounds import above, at_least
from training.models.exports import Export, Layout, lora_export
from training.models.generator import VideoGenerator
from training.models.grid import TokenGrid
from training.models.lora import add_lora, initialise_lora, lora_parameters, merge_lora, without_lora
from training.models.on_demand import LatentSource
from training.models.weights import halve
from training.objectives.dit_module import DitModule
from training.run.checkpoint import identity, latest, read_state, read_weights
from training.run.config import LOCATION, Objective, Precision, TrainConfig
from training.run.module import TrainModule
from training.run.planned import Planned, from_caches
from training.run.runs import config_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedObjective(Objective):
    """Which transformer is added to; it stays as it is."""

    base: str = field(metadata=LOCATION)
    """Folder of the run that trained the transformer."""

    def grid(self) -> TokenGrid:
        """That of the transformer.

        Raises:
            ValueError: there is no trained transformer.
        """
        return self.base_config().objective.grid()

    def latents_of(self) -> LatentSource | None:
        """As the transformer."""
        return self.base_config().objective.latents_of()

    def planned(self, config: TrainConfig) -> Planned:
        """From caches, as the transformer, which must be there."""
        module = self.build(config)
        assert isinstance(module, AddedModule)
        base = module.base.objective
        return from_caches(module, module.base, text_dim=None if base.text.learns else base.model.text_dim, heads=1)

    def base_config(self) -> TrainConfig:
        """The recipe of the run that trained the transformer.

        Raises:
            ValueError: there is no trained transformer.
        """
        if not self.base:
            raise ValueError("no run of a transformer is named: --set objective.base=RUN")
        return config_of(self.base)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedObjective(AddedObjective):
    """Of a LoRA: how much of the transformer is tuned."""

    rank: int = field(default=8, metadata=at_least(1))
    """Of the change to a layer."""
    alpha: float = field(default=8.0, metadata=above(0))
    """The change is alpha / rank times the product of its two matrices."""
    targets: str = ""
    """Parts of the names of the layers that are changed, with commas between; "" for all linear layers."""
    base_precision: Precision = "fp32"
    """Of the frozen weights; the LoRA is float32 in either."""


class AddedModule(TrainModule, ABC):
    """Trains what was added to `dit`, and alone that is saved."""

    def __init__(self, objective: AddedObjective, base: DitModule, *, seed: int = 0) -> None:
        self.objective = objective
        self.base = base
        self.seed = seed
        self.tuned = ""
        """Which checkpoint of the base is added to; "" before it was read."""
        base.model.requires_grad_(False)

    @abstractmethod
    def added(self, network: str) -> Collection[str]:
        """The names of the added weights, among those of the network."""

    @abstractmethod
    def begin(self, network: str) -> None:
        """Give the added weights their first values."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The transformer's; of its weights the added ones alone learn."""
        return self.base.networks

    @property
    def frozen(self) -> Mapping[str, nn.Module]:
        """The transformer's."""
        return self.base.frozen

    def generator(self) -> VideoGenerator:
        """The transformer with what was added."""
        return self.base

    def first_weights(self, network: str) -> None:
        """The base's newest weights, averaged where they were, and additions that are zero."""
        base = self.objective.base
        checkpoint = latest(base)
        if checkpoint is None:
            raise ValueError(f"{base}: no complete checkpoint in it")
        self.tuned = identity(checkpoint)
        self.base.load_extra_state(read_state(checkpoint)["extra"])
        self.begin(network)
        added = self.added(network)
        whole = self.networks[network].state_dict()
        read_weights(checkpoint, network, {name: weight for name, weight in whole.items() if name not in added})

    def extra_state(self) -> dict[str, Any]:
        """Which weights the addition belongs to."""
        return {"tuned": self.tuned}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """See that the base has not changed meanwhile.

        Raises:
            ValueError: its newest checkpoint is another one than was added to.
        """
        if state["tuned"] != self.tuned:
            raise ValueError(
                f"{self.objective.base}: its newest checkpoint is {self.tuned}, but what was trained is for "
                f"{state['tuned']}"
            )

    def wraps(self, network: str) -> Sequence[nn.Module]:
        """The transformer's blocks."""
        return self.base.wraps(network)

    def calls(self, network: str) -> Sequence[str]:
        """As in flow matching."""
        return self.base.calls(network)

    def shard_text(self, shard: Callable[[nn.Module], None]) -> None:
        """The transformer's."""
        self.base.shard_text(shard)


class TunedModule(AddedModule):
    """Trains the LoRA of `dit`, and alone that is saved."""

    objective: TunedObjective

    def __init__(self, objective: TunedObjective, base: DitModule, *, seed: int = 0, dropout: float = 0.0) -> None:
        super().__init__(objective, base, seed=seed)
        if objective.base_precision == "bf16":
            halve(base.model)
        targets = [target for each in objective.targets.split(",") if (target := each.strip())]
        add_lora(base.model.dit, objective.rank, objective.alpha, seed=seed, targets=targets, dropout=dropout)

    def figures(self, held_out: Callable[[], Mapping[str, float]]) -> dict[str, float]:
        """Also what the transformer was worth `before_tuning`."""
        figures = super().figures(held_out)
        with without_lora(self.base.model):
            return figures | {f"before_tuning/{name}": value for name, value in held_out().items()}

    def added(self, network: str) -> Collection[str]:
        """The LoRA's."""
        return lora_parameters(self.networks[network])

    def begin(self, network: str) -> None:
        """Changes that are zero."""
        initialise_lora(self.base.model.dit, self.seed)

    def exported(self, layout: Layout, *, merged: bool) -> Export:
        """The LoRA; or `merged`, the transformer with it."""
        if merged:
            merge_lora(self.base.model)
            return self.base.exported(layout, merged=False)
        return lora_export(self.base.model.dit, layout, rank=self.objective.rank, alpha=self.objective.alpha)
