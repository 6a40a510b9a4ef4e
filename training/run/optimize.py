"""The optimizer, its rate, and the gradients that it steps on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from training.run.config import OptimizerConfig
from training.run.small_state import small_adamw


def make_optimizer(
    weights: Sequence[torch.nn.Parameter], config: OptimizerConfig, device: torch.device
) -> torch.optim.Optimizer:
    """AdamW over a network's trained weights, with its state at step 0.

    Raises:
        ValueError: it is to be torchao's, which is not installed.
    """
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if (config.state, config.weights) != ("fp32", "fp32"):
        return small_adamw(groups, config)
    optimizer = torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
        fused=device.type in ("cuda", "cpu"),  # a loop over the weights is four times as slow on a CPU, too
    )
    for weight in weights:
        # As AdamW would at its first step; so a checkpoint has the same tensors before a network's first turn.
        optimizer.state[weight] = {
            "step": torch.zeros((), dtype=torch.float32, device=device),
            "exp_avg": torch.zeros_like(weight.detach()),
            "exp_avg_sq": torch.zeros_like(weight.detach()),
        }
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Have the next step go so far."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Of a step (from 0) of `steps`: linear warm-up, then constant or half a cosine down to `final_share`."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    left = config.final_share + (1 - config.final_share) * (1 + math.cos(math.pi * min(1.0, done))) / 2
    return config.learning_rate * left


def scaled_norm(weights: Iterable[torch.nn.Parameter], scale: float, clip_norm: float | None) -> float:
    """Scale the gradients, then clip them to `clip_norm`; the norm over all ranks before clipping.

    A norm that is no number leaves gradients that no optimizer should see.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if not gradients:
        return 0.0
    torch._foreach_mul_(gradients, scale)
    norm = torch.nn.utils.get_total_norm(gradients)
    value = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
    if clip_norm is not None and value > clip_norm:
        torch._foreach_mul_(gradients, clip_norm / value)
    return value
