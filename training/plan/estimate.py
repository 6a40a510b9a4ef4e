"""What a step of a recipe takes of each GPU's memory and time, by going through it without computing anything."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from training.models.grid import Shape
from training.plan.tracked import Tracked
from training.run.config import OptimizerConfig, TrainConfig
from training.run.module import TrainModule, trained_weights
from training.run.noise import SampleNoise
from training.run.offload import Offloaded
from training.run.parallel import recompute, round_weights
from training.run.planned import Planned
from training.run.small_state import bytes_a_weight

_ROW = "gradients and activations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of one rank and its fullest step, in bytes unless it says otherwise."""

    shape: Shape
    samples: int
    tokens: int
    """Of one sample."""
    trained: int
    """Weights that learn, of all networks and ranks."""
    rows: Mapping[str, float]
    """By what takes it; they add up to the most that is needed at a time."""
    divided: float
    """Of these, what more ranks would divide among them under fsdp2, and what is divided already."""
    host: float
    """Of these none: what lies in the host's memory for the way back, for each GPU."""
    flops: float
    """Of a step and rank, also those that recomputation does again."""
    heads: int
    """See `Planned`."""
    assumed: str
    """See `Planned`."""

    @property
    def total(self) -> float:
        """The peak."""
        return sum(self.rows.values())


def estimate(config: TrainConfig, *, gpus: int) -> Estimate:
    """The memory and work of a step on one of `gpus` ranks.

    Raises:
        ValueError: the objective builds on a run that does not exist, the data names no shapes, or ranks or heads
            cannot be divided as the recipe says.
    """
    planned = config.objective.planned(config)
    module, trainer = planned.module, config.trainer
    shape, samples = config.data.largest_batch(planned.grid)
    together = trainer.sequence_ranks
    if planned.heads % together or gpus % together:
        raise ValueError(f"trainer.sequence_ranks={together} must divide {planned.heads} heads and {gpus} ranks")
    if gpus % (trainer.shard_ranks or 1):
        raise ValueError(f"trainer.shard_ranks={trainer.shard_ranks} must divide {gpus} ranks")
    shards = (trainer.shard_ranks or gpus) if trainer.strategy == "fsdp2" else 1
    optimizers = {name: config.other_optimizers.get(name, config.optimizer) for name in module.networks}
    for name, network in module.networks.items():
        if optimizers[name].weights == "bf16":
            round_weights(network)
    counts = {name: _numel(trained_weights(network)) for name, network in module.networks.items()}
    trained = sum(counts.values())
    averaged = sum(counts[name] for name in module.averages()) if trainer.ema_decay is not None else 0
    held = sum(_bytes(network) for network in module.networks.values())  # also those that a LoRA changes
    rows = {
        "weights": held / shards,
        "optimizer": sum(_averages(network, optimizers[name]) for name, network in module.networks.items()) / shards,
        "average": 4.0 * averaged / shards,
    }
    divided = sum(rows.values())
    if frozen := sum(_bytes(network) for network in module.frozen.values()):
        rows["networks that are only used, whole"] = frozen
    gathered = max(_gathered(config, module, name) for name in module.networks) if shards > 1 else 0.0
    turns = [_turn(config, planned, name, shape, samples, shards) for name in module.turns(trainer.steps - 1)]
    rows[_ROW] = max(peak for peak, _, _ in turns)
    if trainer.strategy == "ddp" and gpus > 1:
        rows["gradients, packed for the exchange"] = max(
            _gradient_bytes(network) * counts[name] for name, network in module.networks.items()
        )
    if gathered:
        rows["gathered blocks"] = gathered
    return Estimate(
        shape=shape,
        samples=samples,
        tokens=planned.grid.tokens(shape),
        trained=trained,
        rows=rows,
        divided=divided,
        host=max(host for _, host, _ in turns) / together,
        flops=sum(flops for *_, flops in turns) * trainer.accumulation / together,
        heads=planned.heads,
        assumed=planned.assumed,
    )


def _turn(
    config: TrainConfig, planned: Planned, name: str, shape: Shape, samples: int, shards: int
) -> tuple[float, float, float]:
    """The most that gradients and activations take in a turn of a network, what of them lies in host memory, and its
    operations."""
    module, trainer = planned.module, config.trainer
    bf16 = trainer.precision == "bf16"
    with FakeTensorMode(allow_non_fake_inputs=True):
        network = module.networks[name]
        a_gradient = _gradient_bytes(network)
        for each in module.networks.values():
            _without_values(each, torch.bfloat16 if bf16 and shards > 1 else None)
        weights = trained_weights(network)
        share = 1 if trainer.gradients_whole and trainer.accumulation > 1 else shards
        kept = (
            a_gradient * _numel(weights) / share if trainer.accumulation > 1 else 0.0
        )  # those of the micro-step before
        if trainer.activation_checkpointing:
            recompute(module.wraps(name))
        tracked = Tracked()

        def collected(weight: torch.Tensor) -> None:
            """A gradient is there whole; from then on its rank has its shard, in float32."""
            if weight.grad is not None:
                tracked.count(weight.grad, 0.0 if kept else a_gradient * weight.numel() / shards)

        def to_host(tensor: torch.Tensor) -> torch.Tensor:
            with tracked.apart():
                return torch.empty_like(tensor)

        for weight in weights.values():
            weight.register_post_accumulate_grad_hook(collected)
        others = [weight for other, each in module.networks.items() if other != name for weight in each.parameters()]
        for weight in others:
            weight.requires_grad_(False)
        with tracked:
            batch = planned.batch(shape, samples)
            kept_there = Offloaded(to_host) if trainer.offload_activations else nullcontext()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16), kept_there:
                loss = module.loss(name, batch, SampleNoise(0, 0, batch.clip_ids), trainer.steps - 1)
            loss.total.backward()
        for weight in others:
            weight.requires_grad_(True)
    again = 4 / 3 if trainer.activation_checkpointing else 1.0
    flops = tracked.flops if loss.flops is None else loss.flops * again  # what is counted has both
    gradients = 0.0 if kept else a_gradient * _numel(weights) / shards
    together = trainer.sequence_ranks  # which divide all but the gradients; of those some are there at the peak
    peak = tracked.peak if together == 1 else tracked.peak / together + gradients * (1 - 1 / together)
    return peak + kept, tracked.elsewhere, flops


def _without_values(network: nn.Module, gathered_as: torch.dtype | None) -> None:
    """Have weights and buffers of the mode that is entered, of a size and without memory."""
    for part in network.modules():
        for name, weight in [*part.named_parameters(recurse=False)]:
            held = torch.empty(weight.shape, dtype=gathered_as or weight.dtype)
            part.register_parameter(name, nn.Parameter(held, requires_grad=weight.requires_grad))
        for name, buffer in [*part.named_buffers(recurse=False)]:
            setattr(part, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def _gathered(config: TrainConfig, module: TrainModule, name: str) -> float:
    """What is whole for a moment where weights are in shards: two blocks, one of them fetched ahead, and the rest."""
    blocks = [_numel(dict(block.named_parameters())) for block in module.wraps(name)]
    rest = _numel(dict(module.networks[name].named_parameters())) - sum(blocks)
    largest = max(blocks, default=0)
    return float((2 * largest + rest) * (2 if config.trainer.precision == "bf16" else 4))


def _averages(network: nn.Module, config: OptimizerConfig) -> float:
    return sum(bytes_a_weight(weight, config) * weight.numel() for weight in trained_weights(network).values())


def _gradient_bytes(network: nn.Module) -> float:
    """Of one: they have their weight's type."""
    return float(max((weight.element_size() for weight in trained_weights(network).values()), default=0))


def _numel(weights: Mapping[str, torch.Tensor]) -> int:
    return sum(weight.numel() for weight in weights.values())


def _bytes(network: nn.Module) -> float:
    held = [*network.parameters(), *network.buffers()]
    return float(sum(each.numel() * each.element_size() for each in held))
