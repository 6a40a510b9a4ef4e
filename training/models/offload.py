"""A network whose blocks are on the device only while they compute: it takes two blocks there, and what is in none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn


@torch.no_grad()
def offload_blocks(network: nn.Module, blocks: Sequence[nn.Module], device: torch.device) -> None:
    """Have a network that is on the CPU compute on `device`, to which each block's weights are copied when it is asked.

    Blocks are for inference from then on: their weights lie on the CPU, and the copies are dropped, never written back.
    What is in no block moves to the device for good, and so does the first one, of which more than the whole is asked
    (`step_cache`).
    """
    visiting = blocks[1:]
    inside = {part for block in visiting for part in block.modules()}
    for part in network.modules():
        if part not in inside:
            for tensor in _tensors(part, recurse=False):
                tensor.data = tensor.data.to(device)
    for block in visiting:
        _Visits(block, device)


class _Visits:
    """Copies a block's weights to the device before it computes, and drops them after."""

    def __init__(self, block: nn.Module, device: torch.device) -> None:
        self._device = device
        self._at_home = [(tensor, _pinned(tensor.data, device)) for tensor in _tensors(block, recurse=True)]
        self._leave()
        block.register_forward_pre_hook(self._arrive)
        block.register_forward_hook(self._leave, always_call=True)

    @torch.no_grad()
    def _arrive(self, *_: Any) -> None:
        for tensor, home in self._at_home:
            tensor.data = home.to(self._device, non_blocking=True, copy=True)

    @torch.no_grad()
    def _leave(self, *_: Any) -> None:
        for tensor, home in self._at_home:
            tensor.data = home


def _tensors(part: nn.Module, *, recurse: bool) -> list[torch.Tensor]:
    return [*chain(part.parameters(recurse=recurse), part.buffers(recurse=recurse))]


def _pinned(home: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copies from pinned memory do not wait."""
    return home.pin_memory() if device.type == "cuda" else home
