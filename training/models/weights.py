"""First weights: each tensor is drawn by its own name, so the order in which a model is put together is no matter.

Nor is how it is sharded: a rank draws each tensor whole, one at a time, and keeps its own shard.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor

_LOOKS, _LOOK_BYTES = 64, 1 << 18


@contextmanager
def own_randomness() -> Iterator[None]:
    """Layers draw from torch's global generator as they are made; give it back as it was."""
    with torch.random.fork_rng(devices=[]):
        yield


def initialise(module: nn.Module, seed: int) -> None:
    """Set every parameter of `module` from `seed` and its name; again after `to_empty`, on a model made on meta.

    Matrices and kernels are uniform with the variance 1 / inputs, embeddings N(0, 0.02), biases 0, norms 1; then every
    submodule with a method `zero_start` sets to zero what must not disturb at first. On meta nothing is done.
    """
    for path, part in module.named_modules():
        for name, parameter in part.named_parameters(recurse=False):
            if not parameter.is_meta:
                _fill(part, name, parameter, named_generator(seed, f"{path}.{name}"))
    for part in module.modules():
        zero_start = getattr(part, "zero_start", None)
        if zero_start is not None:
            zero_start()


@torch.no_grad()
def halve(module: nn.Module) -> None:
    """Have the weights in bfloat16. Tables of positions, which are buffers, stay as they are, and so do the parts that
    diffusers' classes say must (`_keep_in_fp32_modules`)."""
    keep = {name for part in module.modules() for name in getattr(part, "_keep_in_fp32_modules", None) or ()}
    for name, weight in module.named_parameters():
        if weight.is_floating_point() and not keep & set(name.split(".")):
            weight.data = weight.data.to(torch.bfloat16)


def weights_id(module: nn.Module) -> str:
    """16 hex digits of a module's weights: names, types, shapes and values."""
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def files_id(paths: Iterable[Path]) -> str:
    """16 hex digits of files by name, size and content; of a large one, of blocks all over it: 15 GB take a moment."""
    digest = hashlib.blake2b(digest_size=8)
    for path in paths:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            if size <= _LOOKS * _LOOK_BYTES:
                digest.update(file.read())
                continue
            for look in range(_LOOKS):
                file.seek(look * (size - _LOOK_BYTES) // (_LOOKS - 1))
                digest.update(file.read(_LOOK_BYTES))
    return digest.hexdigest()


def settings_id(config: object, weights: str) -> str:
    """16 hex digits of a frozen record and of an id of the weights that it goes with."""
    return hashlib.blake2b(f"{config!r}\n{weights}".encode("utf-8", "replace"), digest_size=8).hexdigest()


def named_generator(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one tensor: the same on every rank, and of the CPU on every machine."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def uniform(shape: torch.Size, inputs: int, generator: torch.Generator) -> torch.Tensor:
    """Float32 on the CPU, of variance 1 / inputs, so that a layer keeps the size of what passes through it."""
    bound = math.sqrt(3.0 / inputs)
    # In place: 5 ns a weight, else 9; of a sharded network each rank draws them all.
    return torch.rand(shape, generator=generator).mul_(2 * bound).sub_(bound)


@torch.no_grad()
def fill(parameter: nn.Parameter, values: torch.Tensor) -> None:
    """Copy the whole tensor's values into a parameter; where that is a DTensor, into this rank's shard of it."""
    if isinstance(parameter, DTensor):
        # No rank sends: all have drawn the same.
        values = distribute_tensor(values, parameter.device_mesh, parameter.placements, src_data_rank=None)
    parameter.copy_(values)


def _fill(part: nn.Module, name: str, parameter: nn.Parameter, generator: torch.Generator) -> None:
    if isinstance(part, nn.Embedding):
        fill(parameter, torch.randn(parameter.shape, generator=generator) * 0.02)
    elif parameter.ndim > 1:
        fill(parameter, uniform(parameter.shape, math.prod(parameter.shape[1:]), generator))
    else:  # one dimension: a bias, or the gain of a norm
        nn.init.constant_(parameter, 0.0 if name == "bias" else 1.0)
