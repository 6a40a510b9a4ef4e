"""Keep what the way back needs in host memory meanwhile: of a network whose blocks are computed again, their inputs.

Copies lie on the stream that computes, so nothing is overwritten before it is copied; each byte crosses the bus twice.
Weights stay where they are, and so does what is small.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks

LEAST_BYTES = 2**20
"""Of a tensor that is moved: below, the call costs more than the memory is worth."""

Move = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """A tensor in host memory."""

    held: torch.Tensor
    device: torch.device


class Offloaded(saved_tensors_hooks):
    """While this is entered, what autograd saves goes to host memory; the way back fetches it, bit for bit.

    What is saved several times, such as what all blocks are told, is there once.
    """

    def __init__(self, to_host: Move | None = None) -> None:
        self._to_host = to_host or _to_host
        self._known: dict[tuple[Any, ...], tuple[_Moved, Any]] = {}
        super().__init__(self._pack, _unpack)

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor | _Moved:
        if tensor.nbytes < LEAST_BYTES or _is_weight(tensor):
            return tensor
        storage = tensor.untyped_storage()
        key = (storage._cdata, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype, tensor._version)
        if key not in self._known:
            dies = weakref.ref(storage, lambda _: self._known.pop(key))  # its number may be another one's then
            self._known[key] = _Moved(self._to_host(tensor), tensor.device), dies
        return self._known[key][0]


def _unpack(saved: torch.Tensor | _Moved) -> torch.Tensor:
    return saved if isinstance(saved, torch.Tensor) else saved.held.to(saved.device, non_blocking=True, copy=True)


def _to_host(tensor: torch.Tensor) -> torch.Tensor:
    held = torch.empty_like(tensor, device="cpu", pin_memory=tensor.is_cuda)
    return held.copy_(tensor, non_blocking=True)


def _is_weight(tensor: torch.Tensor) -> bool:
    whole = tensor if tensor._base is None else tensor._base
    return isinstance(whole, torch.nn.Parameter)
