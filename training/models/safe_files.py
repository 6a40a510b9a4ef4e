"""Safetensors files of any program: what they hold, and values for tensors, of which a rank may have a shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

_TOLD = 3
"""How many of the names that do not fit are told."""


class SafeFiles:
    """The tensors of some safetensors files, by name; their values are read when they are asked for, in part."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.where = str(paths[0] if len(paths) == 1 else paths[0].parent)
        self.metadata: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._paths = paths
        self._slices: dict[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> SafeFiles:
        from safetensors import SafetensorError, safe_open

        for path in self._paths:
            try:
                file = self._stack.enter_context(safe_open(path, framework="pt"))
            except SafetensorError as error:
                raise ValueError(f"{path}: no safetensors file: {error}") from error
            self.metadata |= file.metadata() or {}
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                self._slices[name] = file.get_slice(name)
                self.shapes[name] = tuple(self._slices[name].get_shape())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def whole(self, name: str) -> torch.Tensor:
        """A tensor's values, in the file's type, on the CPU."""
        held = self._slices[name]
        values: torch.Tensor = held[...] if self.shapes[name] else held[()]
        return values

    @torch.no_grad()
    def read(self, name: str, tensor: torch.Tensor) -> None:
        """Fill a tensor of the same shape, or this rank's shard of it."""
        if not isinstance(tensor, DTensor):
            tensor.copy_(self.whole(name))
            return
        shape, start = compute_local_shape_and_global_offset(tensor.shape, tensor.device_mesh, tensor.placements)
        if all(shape):
            mine = tuple(slice(first, first + length) for first, length in zip(start, shape, strict=True))
            tensor.to_local().copy_(self._slices[name][mine])

    def fill(self, tensors: Mapping[str, torch.Tensor], names: Mapping[str, str]) -> None:
        """Fill tensors; `names` are what the file calls each.

        Raises:
            ValueError: the file holds others, or of other shapes; the first few are told.
        """
        ours = {theirs: own for own, theirs in names.items()}
        check_shapes(self.where, tensors, {ours.get(name, name): shape for name, shape in self.shapes.items()})
        for own, tensor in tensors.items():
            self.read(names[own], tensor)


def check_shapes(where: str, wanted: Mapping[str, torch.Tensor], held: Mapping[str, tuple[int, ...]]) -> None:
    """See that a file or checkpoint holds the wanted tensors, all of them and no others.

    Raises:
        ValueError: it does not; the first few names of each kind are told.
    """
    missing = [name for name in wanted if name not in held]
    unknown = [name for name in held if name not in wanted]
    other = [
        f"{name} is {held[name]}, expected {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in held and held[name] != tuple(tensor.shape)
    ]
    told = [
        f"{len(names)} {what} ({_first(names)})"
        for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", other))
        if names
    ]
    if told:
        raise ValueError(f"{where}: its weights are not those of the recipe's networks: {'; '.join(told)}")


def _first(names: Sequence[str]) -> str:
    return "; ".join(names[:_TOLD]) + ("; ..." if len(names) > _TOLD else "")
