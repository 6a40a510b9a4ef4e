"""A network, its optimizer and its average: what steps in a turn, and what a checkpoint holds of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch

from training.run.config import TrainConfig
from training.run.distributed import World
from training.run.ema import Ema
from training.run.module import Batch, Loss, TrainModule, saved_state, trained_weights
from training.run.noise import SampleNoise, derived_seed
from training.run.optimize import learning_rate, make_optimizer, scaled_norm, set_rate
from training.run.parallel import ParallelTurn, reshard
from training.run.small_state import plain, shard_of


class NonFiniteError(ArithmeticError):
    """A loss or gradient that is no number."""


class NetworkTurn:
    """One network of a module; all ranks call the same methods in the same order."""

    def __init__(self, config: TrainConfig, module: TrainModule, name: str, world: World) -> None:
        self._trainer = config.trainer
        self._world = world
        self._name = name
        self._network = module.networks[name]
        self._settings = config.other_optimizers.get(name, config.optimizer)
        self._parallel = ParallelTurn(module, name, config.trainer, world, weights=self._settings.weights)
        # Held from here on: FSDP2 puts gathered weights in their place while they are used.
        self._trained = trained_weights(self._network)
        self._optimizer = make_optimizer(list(self._trained.values()), self._settings, world.device)
        decay = config.trainer.ema_decay if name in module.averages() else None
        self._ema = None if decay is None else Ema(self._trained, decay)

    def take(self, batches: Sequence[Batch], step: int) -> tuple[list[Loss], dict[str, float]]:
        """Step on the mean loss over all ranks' batches, weighed as the losses are.

        Returns this rank's losses, and figures that all ranks share; `skipped` is 1 where the loss or the gradient is
        no number, and nothing has stepped.
        """
        losses = [  # each on the device only while it is its turn
            self._parallel.backward(
                batch.to(self._world.device), self._noise(batch, step), step, last=index == len(batches) - 1
            )
            for index, batch in enumerate(batches)
        ]
        local = [sum(float(loss.total.detach()) for loss in losses), sum(loss.weight for loss in losses)]
        total, weight = self._world.summed(local)
        if weight <= 0:
            raise ValueError(f"{self._name}: a loss of weight {weight} at step {step}")
        scale = 1.0 / (weight * self._parallel.gradient_scale)
        norm = scaled_norm(self._trained.values(), scale, self._trainer.clip_norm)
        rate = learning_rate(self._settings, step, self._trainer.steps)
        finite = math.isfinite(total) and math.isfinite(norm)  # of all ranks, so they agree
        if finite:
            set_rate(self._optimizer, rate)
            with self._rounding(step):
                self._optimizer.step()
            if self._ema is not None:
                self._ema.update(step)
        self._optimizer.zero_grad(set_to_none=True)
        figures = {"skipped": float(not finite), "learning_rate": rate}
        return losses, figures | ({"gradient_norm": norm} if finite else {})

    def rest(self) -> None:
        """Ask for no gradient while another network has its turn."""
        for weight in self._trained.values():
            weight.requires_grad_(False)

    def wake(self) -> None:
        """Be as before `rest`, and in shards: another turn may have gathered this network and left it so."""
        reshard(self._network)
        for weight in self._trained.values():
            weight.requires_grad_(True)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The network in evaluation mode and with its averaged weights."""
        training = self._network.training
        self._network.eval()
        with ExitStack() as stack:
            stack.callback(self._network.train, training)
            if self._ema is not None:
                stack.enter_context(self._ema.applied())
            try:
                yield
            finally:
                reshard(self._network)  # or the next step would find the averaged weights still gathered

    def keep_average(self) -> None:
        """Let the average forget its start no faster than anything else: it began with trained weights."""
        if self._ema is not None:
            self._ema.is_of_worth = True

    def averaged_names(self) -> list[str]:
        """The weights of which an average is kept."""
        return [] if self._ema is None else list(self._ema.average)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that a checkpoint holds of it, by name; loading fills these."""
        tensors = {f"network.{self._name}.{key}": value for key, value in saved_state(self._network).items()}
        for key, weight in self._trained.items():
            for slot, value in plain(weight, self._optimizer.state[weight], self._settings).items():
                tensors[f"optimizer.{self._name}.{key}.{slot}"] = value
        if self._ema is not None:
            tensors |= {f"average.{self._name}.{key}": value for key, value in self._ema.average.items()}
        return tensors

    @contextmanager
    def _rounding(self, step: int) -> Iterator[None]:
        """Where weights are rounded by chance: the same chance on ranks that hold the same weights."""
        if self._settings.weights == "fp32":
            yield
            return
        shard = shard_of(self._trainer, rank=self._world.rank, ranks=self._world.size)
        device = self._world.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(derived_seed(self._trainer.seed, step, self._name, shard))
            yield

    def _noise(self, batch: Batch, step: int) -> SampleNoise:
        return SampleNoise(self._trainer.seed, step, batch.clip_ids, device=self._world.device, stream=self._name)
