"""A network on many ranks: replicated (DDP) or sharded block by block (FSDP2), without its class changing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import cast

import torch
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from training.run.config import Precision, TrainerConfig
from training.run.distributed import World
from training.run.module import Batch, Loss, TrainModule, trained_weights
from training.run.noise import SampleNoise
from training.run.offload import Offloaded


class Turn(torch.nn.Module):
    """A network's turn as one forward pass, from batch to loss.

    DDP wraps this and not the network, so that a module calls its networks as it likes: several times, by any method,
    with names and attributes as they are.
    """

    def __init__(self, module: TrainModule, name: str, config: TrainerConfig, device: torch.device) -> None:
        super().__init__()
        self.network = module.networks[name]
        self.loss: Loss | None = None
        """Of the last forward pass; DDP hands on tensors only."""
        self._module = module
        self._name = name
        self._autocast = partial(torch.autocast, device.type, torch.bfloat16, enabled=config.precision == "bf16")
        self._kept = Offloaded if config.offload_activations else nullcontext

    def forward(self, batch: Batch, noise: SampleNoise, step: int) -> torch.Tensor:
        """The loss's sum."""
        with self._autocast(), self._kept():
            self.loss = self._module.loss(self._name, batch, noise, step)
        return self.loss.total


class ParallelTurn:
    """A turn whose gradients are those of all ranks: `gradient_scale` x their sum."""

    def __init__(
        self, module: TrainModule, name: str, config: TrainerConfig, world: World, *, weights: Precision = "fp32"
    ) -> None:
        self._config = config
        self._plain = Turn(module, name, config, world.device)
        self.turn: torch.nn.Module = self._plain
        self.gradient_scale = 1.0
        _require_float32(name, module.networks[name])
        if weights == "bf16":
            round_weights(module.networks[name])
        if config.compile_blocks:
            for block in module.wraps(name):
                block.forward = torch.compile(block.forward)  # within what computes it again, which is not compiled
        if config.activation_checkpointing:
            recompute(module.wraps(name))
        if config.strategy == "fsdp2":
            _shard(module, name, config, world)
        module.materialise(name, world.device)
        if config.strategy == "ddp" and world.size > 1:
            self.turn = DistributedDataParallel(self.turn)
            self.gradient_scale = 1.0 / world.size

    def backward(self, batch: Batch, noise: SampleNoise, step: int, *, last: bool) -> Loss:
        """Add a micro-step's gradients; those of the last are exchanged, with all that were added before."""
        with self._unsynchronised(last):
            total = self.turn(batch, noise, step)
            if total.requires_grad:
                total.backward()
        assert self._plain.loss is not None
        return self._plain.loss

    def _unsynchronised(self, last: bool) -> AbstractContextManager[None]:
        if isinstance(self.turn, DistributedDataParallel) and not last:
            return cast(AbstractContextManager[None], self.turn.no_sync())
        if isinstance(self._plain.network, FSDPModule) and self._config.accumulation > 1:
            # Whole gradients of a large network would not fit: ranks that share a copy exchange in each micro-step.
            if self._config.gradients_whole:
                self._plain.network.set_requires_gradient_sync(last)
            else:
                self._plain.network.set_requires_all_reduce(last)
        return nullcontext()


def recompute(blocks: Iterable[torch.nn.Module]) -> None:
    """Keep only what enters each block, and compute the block again on the way back."""
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def round_weights(network: torch.nn.Module) -> None:
    """Hold weights that learn in bfloat16, and so their gradients."""
    for weight in trained_weights(network).values():
        weight.data = weight.data.to(torch.bfloat16)


def shard_encoder(encoder: torch.nn.Module, config: TrainerConfig, world: World) -> None:
    """Shard what captions are read with, layer by layer and then the rest; its precision stays as it is.

    It must be in evaluation mode, with weights that do not learn. All ranks have to read at the same time.
    """
    mesh = _mesh(config.shard_ranks or world.size, world)
    for part in (*_layers(encoder), encoder):
        fully_shard(part, mesh=mesh, reshard_after_forward=True)  # what is outermost, too
    register_fsdp_forward_method(encoder, "encode")


def _layers(network: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """Of the outermost lists of modules, as the layers of all transformers are."""
    for part in network.children():
        if isinstance(part, torch.nn.ModuleList):
            yield from part
        else:
            yield from _layers(part)


def reshard(network: torch.nn.Module) -> None:
    """Let go of gathered weights, where a forward pass without a backward pass kept them."""
    for part in network.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def _shard(module: TrainModule, name: str, config: TrainerConfig, world: World) -> None:
    """Shard each block and then the rest. In bf16 the weights are gathered as bf16, and gradients summed in float32."""
    network = module.networks[name]
    # Inputs are left alone: a timestep of 997 is 996 in bf16. Autocast does the casting.
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if config.precision == "bf16" else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    mesh = _mesh(config.shard_ranks or world.size, world)
    for block in (*module.wraps(name), network):
        sharded = fully_shard(block, mesh=mesh, mp_policy=policy)
        assert isinstance(sharded, FSDPModule)
        # A plain sum; gloo knows no other.
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)
        # Weights that one rank used and another did not are exchanged by both, as under DDP.
        sharded.set_reduce_scatter_unused_params(True)
    for method in module.calls(name):
        register_fsdp_forward_method(network, method)


def _mesh(shard_ranks: int, world: World) -> DeviceMesh:
    """The ranks that share a copy in a row, which are next to one another; and a row for each copy."""
    if world.size % shard_ranks:
        raise ValueError(f"{world.size} ranks cannot be divided into groups of trainer.shard_ranks={shard_ranks}")
    ranks = torch.arange(world.size)
    if shard_ranks == world.size:
        return DeviceMesh(world.device.type, ranks)
    return DeviceMesh(world.device.type, ranks.view(-1, shard_ranks), mesh_dim_names=("copies", "shards"))


def _require_float32(name: str, network: torch.nn.Module) -> None:
    for path, weight in network.named_parameters():
        if weight.requires_grad and weight.dtype != torch.float32:
            raise ValueError(
                f"{name}.{path} is {weight.dtype}; trained weights must be float32, precision=bf16 computes in bf16"
            )
