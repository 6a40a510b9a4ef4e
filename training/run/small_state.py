"""AdamW that takes less memory, as torchao has it: averages of gradients in 8 bits, weights rounded by chance.

The 8 bits are those of arXiv 2110.02861: of each 256 values the largest, and for each its share of that. Which weights
have them is decided by their whole shape, and no block goes over a row's end, so that shards of any number of ranks are
parts of the same checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from training.run.config import OptimizerConfig, TrainerConfig

BLOCK = 256
"""Values that share a scale."""
LEAST = 4096
"""Values of a weight below which 8 bits save nothing worth their error; as torchao and bitsandbytes have it."""


def small_adamw(groups: Sequence[dict[str, Any]], config: OptimizerConfig) -> torch.optim.Optimizer:
    """AdamW over groups of weights, with its state at step 0.

    Raises:
        ValueError: torchao is not installed.
    """
    try:
        from torchao.optim import AdamW8bit
    except ImportError as error:
        raise ValueError(
            f"optimizer.state={config.state} with optimizer.weights={config.weights} is torchao's, which is not "
            "installed: `pip install 'torchao>=0.18'` or `pip install -e '.[small]'` brings it"
        ) from error
    optimizer: torch.optim.Optimizer = AdamW8bit(
        [dict(group) for group in groups],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
        block_size=BLOCK,
        bf16_stochastic_round=config.weights == "bf16",
    )
    for group in groups:
        for weight in group["params"]:
            optimizer.state[weight] = {
                "step": torch.zeros((), dtype=torch.float32, device=weight.device),
                "exp_avg": _zeros(weight, config, signed=True),
                "exp_avg_sq": _zeros(weight, config, signed=False),
            }
    return optimizer


def shard_of(trainer: TrainerConfig, *, rank: int, ranks: int) -> int:
    """Which part of the weights a rank holds: those that hold the same must be rounded by the same chance."""
    return rank % (trainer.shard_ranks or ranks) if trainer.strategy == "fsdp2" else 0


def bytes_a_weight(weight: torch.Tensor, config: OptimizerConfig) -> float:
    """What both averages take of memory, a value."""
    return 2 * (1 + 4 / BLOCK) if _has_8_bits(weight, config) else 8.0


def plain(weight: torch.Tensor, state: Mapping[str, torch.Tensor], config: OptimizerConfig) -> dict[str, torch.Tensor]:
    """A weight's state as tensors that a checkpoint can hold, in the same memory; of 8 bits, codes and scales."""
    if not _has_8_bits(weight, config):
        return dict(state)
    tensors = {"step": state["step"]}
    for slot in ("exp_avg", "exp_avg_sq"):
        held: Any = _local(state[slot])
        codes = held.codes if held.numel() else held.to(torch.uint8)
        scale = held.scale.view(len(codes), -1) if held.numel() else held.new_empty(0, _row(weight) // BLOCK)
        tensors[f"{slot}.codes"] = _as(weight, codes, weight.shape)
        tensors[f"{slot}.scale"] = _as(weight, scale, (weight.shape[0], _row(weight) // BLOCK))
    return tensors


def _has_8_bits(weight: torch.Tensor, config: OptimizerConfig) -> bool:
    return config.state == "8bit" and weight.ndim > 1 and weight.numel() >= LEAST and _row(weight) % BLOCK == 0


def _row(weight: torch.Tensor) -> int:
    return math.prod(weight.shape[1:])


def _local(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _zeros(weight: torch.Tensor, config: OptimizerConfig, *, signed: bool) -> torch.Tensor:
    from torchao.optim.subclass_8bit import OptimState8bit

    local = _local(weight.detach())
    if _has_8_bits(weight, config) and local.numel():  # it divides by how many there are
        made = OptimState8bit.zeros(local.shape, signed, BLOCK, local.device, dtype=torch.float32)
    else:
        made = torch.zeros_like(local, dtype=torch.float32)
    return _as(weight, made, weight.shape)


def _as(like: torch.Tensor, local: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """A rank's part of what is divided as another tensor is."""
    if not isinstance(like, DTensor):
        return local
    whole = torch.Size(shape)
    stride = torch.empty(whole, device="meta").stride()
    made: torch.Tensor = DTensor.from_local(
        local, like.device_mesh, like.placements, run_check=False, shape=whole, stride=stride
    )
    return made
