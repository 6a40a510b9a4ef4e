"""The heads of aesthetic predictors: one number from an image embedding of length 1. Needs torch for .pth files only.

All public ones are chains of linear layers with dropout, which does nothing here, and no activation between them:
LAION-AI/aesthetic-predictor (one layer), christophschuhmann/improved-aesthetic-predictor (layers.0, 2, 4, 6, 7) and
discus0434/aesthetic-predictor-v2-5 (scoring_head.0, 2, 4, 6, 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

KNOWN_CHAINS = ((0, 2, 4, 6, 7), (0, 2, 4, 6, 8))
"""Places of the linear layers between dropouts. Other gaps could be activations, which a file of weights does not
tell (the predictor's own ReLU variants have their layers at 0, 3, 6, 9 and 11), so they are refused."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AestheticHead:
    """A chain of linear layers."""

    file: str
    layers: tuple[tuple[Array, Array], ...]
    """Weights (out, in) and bias (out,) of each."""

    def __call__(self, embeddings: Array) -> Array:
        """(N, D) to (N,).

        Raises:
            ValueError: D is not what the head was made for.
        """
        if embeddings.shape[-1] != self.layers[0][0].shape[1]:
            raise ValueError(
                f"{self.file}: a head for {self.layers[0][0].shape[1]} numbers, the tower gives {embeddings.shape[-1]}"
            )
        values = embeddings
        for weight, bias in self.layers:
            values = values @ weight.T + bias
        return values[:, 0]


def load_head(file: Path) -> AestheticHead:
    """Read a head of any of the three layouts, `.safetensors` or `.pth`.

    Raises:
        ValueError: the file cannot be read, holds more than tensors, or these are no chain of layers to one number.
    """
    try:
        tensors = _read(file)
    except Exception as error:  # damaged bytes fail in as many ways as the formats have parts
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{file}: no head, {type(error).__name__}: {reason}") from error
    layers = _layers(file, tensors)
    for (weight, _), (following, _) in pairwise(layers):
        if weight.shape[0] != following.shape[1]:
            raise ValueError(f"{file}: a layer gives {weight.shape[0]} numbers, the next takes {following.shape[1]}")
    if layers[-1][0].shape[0] != 1:
        raise ValueError(f"{file}: the last layer gives {layers[-1][0].shape[0]} numbers, expected 1")
    return AestheticHead(file=str(file), layers=layers)


def _read(file: Path) -> Mapping[str, Array]:
    if file.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return {name: tensor.astype(np.float32) for name, tensor in load_file(file).items()}
    import torch

    # weights_only refuses a pickle with code in it
    read: Any = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(read, Mapping) or not all(isinstance(one, torch.Tensor) for one in read.values()):
        raise TypeError(f"expected tensors by name, got {type(read).__name__}")
    return {str(name): tensor.detach().to(torch.float32).numpy() for name, tensor in read.items()}


def _layers(file: Path, tensors: Mapping[str, Array]) -> tuple[tuple[Array, Array], ...]:
    """The layers in order."""
    got = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in list(tensors.items())[:12]) or "nothing"
    wanted = f"{file}: expected weight (out, in) and bias (out,) of a chain of layers, got {got}"
    parts: dict[int, dict[str, Array]] = {}
    prefixes = set()
    for name, tensor in tensors.items():
        *before, kind = name.split(".")
        place = int(before.pop()) if before and before[-1].isdecimal() else 0
        prefixes.add(tuple(before))
        parts.setdefault(place, {})[kind] = tensor
    places = tuple(sorted(parts))
    if len(prefixes) != 1 or any(part.keys() != {"weight", "bias"} for part in parts.values()):
        raise ValueError(wanted)
    if places not in KNOWN_CHAINS and places != tuple(range(len(places))):
        raise ValueError(f"{file}: layers {places} leave room for activations that the file does not tell")
    layers = tuple((parts[place]["weight"], parts[place]["bias"]) for place in places)
    for weight, bias in layers:
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise ValueError(wanted)
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise ValueError(f"{file}: holds numbers that are not finite")
    return layers
