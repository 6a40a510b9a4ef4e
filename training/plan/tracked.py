"""Counts what a computation would hold in memory, without the memory: tensors have shapes and no values."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

_aten = torch.ops.aten


class Tracked(TorchDispatchMode):
    """Bytes of all tensors that are made while this is entered and are still there, and the most there ever were.

    Inside torch's FakeTensorMode nothing is computed. Where code asks such a tensor for a value, it is told 1.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0.0
        self.peak = 0.0
        self.flops = 0.0
        """Floating point operations, of matrices and convolutions."""
        self.elsewhere = 0.0
        """Bytes that were made in `apart`, which count for nothing else."""
        self._is_apart = False
        self._held: dict[int, tuple[weakref.ref[torch.UntypedStorage], float]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {
            each.untyped_storage()._cdata for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)
        }
        made = _without_values(func, args, kwargs or {})
        if (count := flop_registry.get(func.overloadpacket)) is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=made)
        for each in tree_leaves(made):
            if isinstance(each, torch.Tensor) and each.untyped_storage()._cdata not in given:
                self._hold(each.untyped_storage())
        return made

    def count(self, tensor: torch.Tensor, size: float) -> None:
        """Take a tensor for one of another size from now on, such as for its share of what ranks divide."""
        key = tensor.untyped_storage()._cdata
        if key in self._held:
            storage, before = self._held[key]
            self._held[key] = (storage, size)
            self._grow(size - before)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is made meanwhile lies in another memory."""
        self._is_apart = True
        try:
            yield
        finally:
            self._is_apart = False

    def _hold(self, storage: torch.UntypedStorage) -> None:
        if self._is_apart:
            self.elsewhere += storage.nbytes()
            return
        key = storage._cdata
        if key not in self._held:
            size = float(storage.nbytes())
            self._held[key] = (weakref.ref(storage, lambda _: self._let_go(key)), size)
            self._grow(size)

    def _let_go(self, key: int) -> None:
        self._grow(-self._held.pop(key)[1])

    def _grow(self, size: float) -> None:
        self.live += size
        self.peak = max(self.peak, self.live)


def _without_values(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What an operation gives; where that depends on values that are not there, something of the largest size."""
    if not any(isinstance(each, FakeTensor) for each in args):
        return func(*args, **kwargs)
    if func is _aten._local_scalar_dense.default:
        return True if args[0].dtype == torch.bool else 1
    if func is _aten._unique2.default:
        return args[0].flatten()[:1], args[0].new_empty(0), args[0].new_empty(0)
    if func is _aten.index.Tensor and any(each is not None and each.dtype == torch.bool for each in args[1]):
        return args[0].clone()
    return func(*args, **kwargs)
