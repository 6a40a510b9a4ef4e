"""The seam of text encoders: captions in, vectors and a mask out. The built-in one reads bytes, without a download."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import nn

Text = tuple[torch.Tensor, torch.Tensor]
"""Embeddings (B, L, D) and their mask (B, L), True for text."""


class TextEncoder(nn.Module, ABC):
    """Reads captions."""

    dim: int
    """Width of its vectors."""

    @abstractmethod
    def encode(self, captions: Sequence[str]) -> Text:
        """Vectors (B, L, dim) and a mask (B, L) that is True for text, False for padding on the right.

        L is that of the longest caption here; what a caption becomes does not depend on the others. The empty caption
        has at least one token.
        """

    @property
    def learns(self) -> bool:
        """Whether it is to be trained along with what reads its vectors."""
        return any(weight.requires_grad for weight in self.parameters())


class TextConfig(Protocol):
    """A frozen record, beside the encoder that it describes."""

    @property
    def learns(self) -> bool:
        """Whether the encoder is to be trained along with what reads its vectors."""
        ...

    def identity(self, *, seed: int = 0) -> str:
        """16 hex digits of all that decides an untrained encoder's vectors: settings and weights. Loads no large model.

        Raises:
            MissingWeightsError: its weights are nowhere to be found.
        """
        ...

    def encoder(self, *, seed: int = 0) -> TextEncoder:
        """Make it; `seed` is for one that starts without weights.

        Raises:
            MissingWeightsError: its weights are nowhere to be found.
        """
        ...
