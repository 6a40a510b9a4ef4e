"""What a tower asks of the model behind it, and what all loaders share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filters.towers.pixels import Geometry

if TYPE_CHECKING:
    import torch

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


class TowerModel(ABC):
    """A model in float32 on the CPU, and how its folder wants its pictures."""

    module: torch.nn.Module
    geometry: Geometry
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per channel (R, G, B), of values 0..1."""
    reads_text: bool = True

    @abstractmethod
    def images(self, normalised: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) to (N, D), of any length."""

    @abstractmethod
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(N, D), of any length; what goes beyond the context is left out.

        Raises:
            ValueError: the folder has no tokenizer.
        """


def check_tokenizer(folder: Path) -> None:
    """Without its files transformers makes up a tokenizer without words, for which all texts are alike.

    Raises:
        ValueError: none of them is there.
    """
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ValueError(f"{folder}: no tokenizer; one of {', '.join(TOKENIZER_FILES)} is needed to read text")


def read_json(file: Path) -> dict[str, Any]:
    """An object.

    Raises:
        ValueError: it is none; the message names the file.
    """
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: no JSON: {error}") from error
    if not isinstance(read, dict):
        raise ValueError(f"{file}: expected an object, got {type(read).__name__}")
    return read


def device_of(module: torch.nn.Module) -> torch.device:
    """Where its weights lie."""
    return next(module.parameters()).device
