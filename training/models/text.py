"""The seam of text encoders: captions in, vectors and a mask out. The built-in one reads bytes, without a download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from training.models.text_bytes import ByteTextConfig, ByteTextEncoder
from training.models.text_hub import QwenVlTextConfig, QwenVlTextEncoder, T5TextConfig, T5TextEncoder

TextConfig = ByteTextConfig | QwenVlTextConfig | T5TextConfig


class TextEncoder(Protocol):
    """A torch module that reads captions."""

    dim: int
    """Width of its vectors."""

    def encode(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors (B, L, dim) and a mask (B, L) that is True for text, False for padding on the right.

        L is that of the longest caption here; what a caption becomes does not depend on the others. The empty caption
        has at least one token.
        """
        ...


def text_encoder(config: TextConfig, *, seed: int = 0) -> TextEncoder:
    """The encoder of a configuration; `seed` is for one that starts without weights.

    Raises:
        MissingWeightsError: its weights are nowhere to be found.
    """
    if isinstance(config, ByteTextConfig):
        return ByteTextEncoder(config, seed=seed)
    if isinstance(config, QwenVlTextConfig):
        return QwenVlTextEncoder(config)
    return T5TextEncoder(config)
