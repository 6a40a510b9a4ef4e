"""Low-rank changes to linear layers of a model (arXiv 2106.09685), kept apart from the weights they change.

They are parameters of the model itself, so whatever trains, shards or saves the model has them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from training.models.weights import fill, named_generator, uniform

_PARTS = ("lora_down", "lora_up")


class LoraLinear(nn.Linear):
    """A linear layer, frozen, plus `alpha / rank * up @ down`; its own weights keep their names and type.

    The change is float32, whatever the layer is. Merged into the weight it costs nothing; the weight's own bytes are
    kept meanwhile, since what was added cannot be subtracted again exactly.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float, *, dropout: float = 0.0, name: str = "") -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.rank, self.alpha, self.dropout, self.name = rank, alpha, dropout, name
        self.enabled = True
        self.sample_seeds: Sequence[int] = ()
        self.own_weight: torch.Tensor | None = None
        """The weight as it was before the change was merged into it."""
        self.lora_down = nn.Parameter(self.weight.new_empty(rank, self.in_features, dtype=torch.float32))
        self.lora_up = nn.Parameter(self.weight.new_zeros(self.out_features, rank, dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in_features) to (..., out_features)."""
        y = functional.linear(x, self.weight, self.bias)
        if not self.enabled or self.own_weight is not None:
            return y
        low = functional.linear(self._dropped(x).to(self.lora_down.dtype), self.lora_down)
        return y + (functional.linear(low, self.lora_up) * (self.alpha / self.rank)).to(y.dtype)

    @torch.no_grad()
    def merge(self) -> None:
        """Add the change to the weight, summed in float32 and rounded to the weight's type once."""
        if self.own_weight is None:
            self.own_weight = self.weight.detach().clone()
            change = (self.lora_up @ self.lora_down) * (self.alpha / self.rank)
            self.weight.copy_(self.own_weight.to(change.dtype) + change)

    @torch.no_grad()
    def unmerge(self) -> None:
        """Put the weight's own bytes back."""
        if self.own_weight is not None:
            self.weight.copy_(self.own_weight)
            self.own_weight = None

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        """With a share of each sample's values left out, by its seed: alike on any rank, and again on the way back."""
        if not self.training or not self.dropout:
            return x
        assert len(self.sample_seeds) == len(x), "each sample has a seed, by `seed_dropout`"
        generators = [named_generator(seed, self.name, x.device) for seed in self.sample_seeds]
        drawn = [torch.rand(x.shape[1:], generator=generator, device=x.device) for generator in generators]
        return x * (torch.stack(drawn) >= self.dropout) / (1 - self.dropout)


def add_lora(
    module: nn.Module,
    rank: int,
    alpha: float,
    *,
    seed: int = 0,
    targets: Sequence[str] = (),
    but: Sequence[str] = (),
    dropout: float = 0.0,
) -> None:
    """Freeze `module` and give linear layers in it a trainable change, which is zero at first.

    `targets` are parts of the layers' names, such as `attention`, `feed_forward.linear1` or `blocks.0`; none means all
    `but` those of these parts.

    Raises:
        ValueError: `rank` is not positive, or the module has LoRA already, or no linear layer, or none of a target.
    """
    if rank < 1:
        raise ValueError(f"rank is {rank}, must be at least 1")
    if any(True for _ in _layers(module)):
        raise ValueError(f"{type(module).__name__} has LoRA already")
    linears = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear) and name}
    if not linears:
        raise ValueError(f"{type(module).__name__} has no linear layer to change")
    for target in targets:
        if not any(_is_in(target, name) for name in linears):
            parts = sorted({part for name in linears for part in name.split(".") if not part.isdigit()})
            raise ValueError(f"target {target!r} is in no linear layer's name; their parts are {', '.join(parts)}")
    module.requires_grad_(False)
    for name, linear in linears.items():
        if (targets and not any(_is_in(target, name) for target in targets)) or any(_is_in(part, name) for part in but):
            continue
        layer = LoraLinear(linear, rank, alpha, dropout=dropout, name=name)
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


def seed_dropout(module: nn.Module, sample_seeds: Sequence[int]) -> None:
    """Say what each sample of the next passes draws its dropout from."""
    for layer in _layers(module):
        layer.sample_seeds = sample_seeds


def merge_lora(module: nn.Module) -> None:
    """Put the changes into the weights, until `unmerge_lora`; twice is once."""
    for layer in _layers(module):
        layer.merge()


def unmerge_lora(module: nn.Module) -> None:
    """Have the weights as they were, to the bit."""
    for layer in _layers(module):
        layer.unmerge()


def switch_off_lora(module: nn.Module) -> None:
    """Have the model answer as it did before LoRA."""
    for layer in _layers(module):
        layer.unmerge()
        layer.enabled = False


@contextmanager
def without_lora(module: nn.Module) -> Iterator[None]:
    """The model as it was before LoRA."""
    layers = list(_layers(module))
    merged = [layer for layer in layers if layer.own_weight is not None]
    switch_off_lora(module)
    try:
        yield
    finally:
        for layer in layers:
            layer.enabled = True
        for layer in merged:
            layer.merge()


def _layers(module: nn.Module) -> Iterator[LoraLinear]:
    return (part for part in module.modules() if isinstance(part, LoraLinear))


def _is_in(target: str, name: str) -> bool:
    """Whether whole parts of a dotted name are the target."""
    return f".{target}." in f".{name}."
