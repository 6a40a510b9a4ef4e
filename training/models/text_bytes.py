"""A small transformer over the bytes of a caption: any language, no vocabulary, trained along with what it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from training.models.weights import initialise, own_randomness

START = 256
"""The token before each caption's bytes, so that the empty one has a vector too."""
PADDING = 257


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteTextConfig:
    """Layout; the default has 0.13 M parameters."""

    dim: int = 64
    layers: int = 2
    heads: int = 4
    max_bytes: int = 255
    """Longer captions are cut off there."""
    trainable: bool = True
    """Frozen, it is a random projection of the bytes, which is enough to tell captions apart."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise ValueError(f"dim is {self.dim}, must be a multiple of heads ({self.heads})")
        if self.max_bytes < 1:
            raise ValueError(f"max_bytes is {self.max_bytes}, must be at least 1")


class ByteTextEncoder(nn.Module):  # type: ignore[misc]
    """Each byte's vector knows the whole caption."""

    def __init__(self, config: ByteTextConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.dim = config.dim
        with own_randomness():
            self.tokens = nn.Embedding(PADDING + 1, config.dim)
            self.positions = nn.Embedding(config.max_bytes + 1, config.dim)
            self.blocks = nn.ModuleList(_Block(config.dim, config.heads) for _ in range(config.layers))
            self.norm = nn.LayerNorm(config.dim)
        initialise(self, seed)
        self.requires_grad_(config.trainable)

    def encode(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors (B, L, dim) and their mask (B, L); see `training.models.text.TextEncoder`."""
        ids_BL = byte_tokens(captions, self.config.max_bytes).to(self.tokens.weight.device)
        mask_BL = ids_BL != PADDING
        x = self.tokens(ids_BL) + self.positions.weight[: ids_BL.shape[1]]
        for block in self.blocks:
            x = block(x, mask_BL)
        return self.norm(x), mask_BL


def byte_tokens(captions: Sequence[str], max_bytes: int) -> torch.Tensor:
    """(B, L) ids: the start, then UTF-8; what UTF-8 cannot say (half a surrogate pair) is a question mark."""
    rows = [[START, *caption.encode("utf-8", "replace")[:max_bytes]] for caption in captions]
    longest = max((len(row) for row in rows), default=1)
    padded = [row + [PADDING] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, dtype=torch.int64).view(len(rows), longest)


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, 4 * dim)
        self.linear2 = nn.Linear(4 * dim, dim)

    def forward(self, x_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        heads = self.qkv(self.norm1(x_BLD)).unflatten(-1, (3, self.heads, -1))  # B L 3 heads head_dim
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask_BL[:, None, None])
        x_BLD = x_BLD + self.out(mixed.transpose(1, 2).flatten(2))
        return x_BLD + self.linear2(functional.gelu(self.linear1(self.norm2(x_BLD))))
