"""Low-rank changes to all linear layers of a model (arXiv 2106.09685), kept apart from the weights they change.

They are parameters of the model itself, so whatever trains, shards or saves the model has them too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from training.models.weights import fill, named_generator, uniform

_PARTS = ("lora_down", "lora_up")


class LoraLinear(nn.Linear):
    """A linear layer, frozen, plus `alpha / rank * up @ down`; its own weights keep their names."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.rank, self.alpha, self.enabled = rank, alpha, True
        self.lora_down = nn.Parameter(self.weight.new_empty(rank, self.in_features))
        self.lora_up = nn.Parameter(self.weight.new_zeros(self.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in_features) to (..., out_features)."""
        y = functional.linear(x, self.weight, self.bias)
        if not self.enabled:
            return y
        low = functional.linear(x, self.lora_down)
        return y + functional.linear(low, self.lora_up) * (self.alpha / self.rank)


def add_lora(module: nn.Module, rank: int, alpha: float, *, seed: int = 0) -> None:
    """Freeze `module` and give each linear layer in it a trainable change, which is zero at first.

    Raises:
        ValueError: `rank` is not positive, or the module has LoRA already, or no linear layer.
    """
    if rank < 1:
        raise ValueError(f"rank is {rank}, must be at least 1")
    if any(True for _ in _layers(module)):
        raise ValueError(f"{type(module).__name__} has LoRA already")
    linears = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.Linear) and name]
    if not linears:
        raise ValueError(f"{type(module).__name__} has no linear layer to change")
    module.requires_grad_(False)
    for name, linear in linears:
        layer = LoraLinear(linear, rank, alpha)
        parent, _, child = name.rpartition(".")
        setattr(module.get_submodule(parent), child, layer)
    initialise_lora(module, seed)


def initialise_lora(module: nn.Module, seed: int) -> None:
    """Draw changes, which are zero, by name from `seed`: again after `to_empty`, where `add_lora` met a model on meta.

    On meta nothing is done.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, LoraLinear) and not layer.lora_down.is_meta:
            generator = named_generator(seed, f"{name}.lora_down")
            fill(layer.lora_down, uniform(layer.lora_down.shape, layer.in_features, generator))
            nn.init.zeros_(layer.lora_up)


def lora_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """What LoRA trains, by name."""
    return {name: value for name, value in module.named_parameters() if name.rpartition(".")[2] in _PARTS}


@contextmanager
def without_lora(module: nn.Module) -> Iterator[None]:
    """The model as it was before LoRA."""
    layers = list(_layers(module))
    for layer in layers:
        layer.enabled = False
    try:
        yield
    finally:
        for layer in layers:
            layer.enabled = True


def _layers(module: nn.Module) -> Iterator[LoraLinear]:
    return (part for part in module.modules() if isinstance(part, LoraLinear))
