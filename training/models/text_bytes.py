"""Vectors of a caption's bytes: any language, no vocabulary, no download.

The vectors only have to tell captions apart and stand where the words stand: the transformer that reads them has layers
of its own for text, which learn what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.bounds import at_least, check
from training.models.text import Text, TextEncoder
from training.models.weights import initialise, own_randomness, settings_id, weights_id

START = 256
"""The token before each caption's bytes, so that the empty one has a vector too."""
PADDING = 257
REACH = 7
"""Bytes around each one that are seen together, wherever they stand: most of a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteTextConfig:
    """Layout; the default has 0.06 M parameters."""

    dim: int = field(default=64, metadata=at_least(1))
    """Width of its vectors."""
    max_bytes: int = field(default=255, metadata=at_least(1))
    """Longer captions are cut off there."""
    stride: int = field(default=1, metadata=at_least(1))
    """Every so many-th vector is given out. Up to 7 each byte is still seen by one; a tiny transformer has more text to
    attend to than video."""
    trainable: bool = False
    """Trained along with a transformer at high learning rates, the vectors soon tell colours and nothing else."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def learns(self) -> bool:
        """Where it was said so."""
        return self.trainable

    def identity(self, *, seed: int = 0) -> str:
        """Of its first weights, and of the stride, which they do not show."""
        return settings_id(self, weights_id(self.encoder(seed=seed)))

    def encoder(self, *, seed: int = 0) -> ByteTextEncoder:
        """With first weights from the seed."""
        return ByteTextEncoder(self, seed=seed)


class ByteTextEncoder(TextEncoder):
    """Each vector knows the bytes around its own, and its place."""

    def __init__(self, config: ByteTextConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.dim = config.dim
        with own_randomness():
            self.tokens = nn.Embedding(PADDING + 1, config.dim)
            self.words = nn.Conv1d(config.dim, config.dim, REACH, padding=REACH // 2)
            self.positions = nn.Embedding(config.max_bytes + 1, config.dim)
            self.norm = nn.LayerNorm(config.dim)
        initialise(self, seed)
        self.requires_grad_(config.trainable)

    def encode(self, captions: Sequence[str]) -> Text:
        """Vectors (B, ceil(L / stride), dim) and their mask; see `training.models.text.TextEncoder`."""
        ids_BL = byte_tokens(captions, self.config.max_bytes).to(self.tokens.weight.device)
        mask_BL = ids_BL != PADDING
        bytes_BLD = self.tokens(ids_BL) * mask_BL[..., None]  # padding is what stands beyond a caption's end
        words_BLD = functional.gelu(self.words(bytes_BLD.transpose(1, 2)).transpose(1, 2))
        vectors_BLD = self.norm(bytes_BLD + words_BLD + self.positions.weight[: ids_BL.shape[1]])
        # A tensor of its own: who changed a view in place would undo FSDP's hooks on it.
        return vectors_BLD[:, :: self.config.stride].clone(), mask_BL[:, :: self.config.stride]


def byte_tokens(captions: Sequence[str], max_bytes: int) -> torch.Tensor:
    """(B, L) ids: the start, then UTF-8; what UTF-8 cannot say (half a surrogate pair) is a question mark."""
    rows = [[START, *caption.encode("utf-8", "replace")[:max_bytes]] for caption in captions]
    longest = max((len(row) for row in rows), default=1)
    padded = [row + [PADDING] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, dtype=torch.int64).view(len(rows), longest)
