"""A network of diffusers without memory for its weights, but with what it computes from its settings alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from training.families.library import diffusers_class


class _EmptyOnMeta(TorchFunctionMode):
    """`torch.empty`, by which layers make their weights, takes no memory; tables of positions are made by others."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        settings = dict(kwargs or {})
        if func is torch.empty and settings.get("device") is None:
            settings["device"] = "meta"
        return func(*args, **settings)


def skeleton(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """A model of a diffusers class, all its weights on the meta device in float32; its buffers hold their values."""
    with _EmptyOnMeta():
        network: nn.Module = diffusers_class(kind).from_config(dict(config))
    for part in network.modules():
        for name, weight in part.named_parameters(recurse=False):
            setattr(part, name, nn.Parameter(torch.empty_like(weight, device="meta", dtype=torch.float32)))
    return network
