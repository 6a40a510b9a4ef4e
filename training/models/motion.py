"""Motion modules: layers between those of an image model, by which the frames of a video know of one another.

After AnimateDiff (arXiv 2307.04725) and EasyAnimate's first versions (arXiv 2405.18991, v1 and v2). They end in a layer
of zeros, so that a model with new ones answers as the one without, and the image model may stay frozen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.bounds import at_least, check
from training.models.dit_blocks import FeedForward, WideLayerNorm

Scope = Literal["temporal", "grid", "global"]
"""What a token attends to: its own place in all frames; the places of its cell in all frames; everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionConfig:
    """One module a block of the image model, of two attentions each; `none` is the image model."""

    kind: Literal["none", "temporal", "grid", "global", "hybrid"] = "none"
    """EasyAnimate's were `grid` (v1), `temporal` (v2) and `hybrid` (v3): temporal, and the second attention of every
    other block global."""
    heads: int = field(default=8, metadata=at_least(1))
    """Of attention."""
    cell: int = field(default=2, metadata=at_least(1))
    """Tokens of a side of the cells of `grid`."""

    def __post_init__(self) -> None:
        check(self, "motion")

    def module(self, dim: int, block: int) -> MotionModule | None:
        """That of a block, by its number."""
        if self.kind == "none":
            return None
        return MotionModule(dim, self.heads, self.scopes(block), self.cell)

    def scopes(self, block: int) -> tuple[Scope, ...]:
        """What the two attentions of a block's module see."""
        if self.kind == "none":
            return ()
        if self.kind == "hybrid":
            return ("temporal", "global" if block % 2 else "temporal")
        return (self.kind, self.kind)


class MotionModule(nn.Module):
    """Added to what passes through the block; of a picture, which does not move, nothing is."""

    def __init__(self, dim: int, heads: int, scopes: tuple[Scope, ...], cell: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"motion.heads is {heads}, must divide the model's width of {dim}")
        self.norm = WideLayerNorm(dim, eps=1e-6)
        self.linear_in = nn.Linear(dim, dim)
        self.attentions = nn.ModuleList(MotionAttention(dim, heads, scope, cell) for scope in scopes)
        self.norm_feed_forward = WideLayerNorm(dim, eps=1e-5)
        self.feed_forward = FeedForward(dim)
        self.linear_out = nn.Linear(dim, dim)

    def zero_start(self) -> None:
        """Add nothing at first."""
        nn.init.zeros_(self.linear_out.weight)
        nn.init.zeros_(self.linear_out.bias)

    def forward(self, x_BTHWD: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        frames, dim = x_BTHWD.shape[1], x_BTHWD.shape[-1]
        # Attention that looks at all frames alike says nothing of one's own number, which feed-forward has to know.
        change = self.linear_in(self.norm(x_BTHWD)) + _numbers(frames, dim, x_BTHWD)
        for attention in self.attentions:
            change = change + attention(change)
        change = self.linear_out(change + self.feed_forward(self.norm_feed_forward(change)))
        # Times 0 rather than left out: DDP waits for a gradient of each weight.
        moved: torch.Tensor = x_BTHWD + (change if x_BTHWD.shape[1] > 1 else change * 0)
        return moved

    def flops(self, grid: tuple[int, int, int]) -> int:
        """Forward, of one sample of (frames, rows, columns) tokens."""
        tokens, dim = math.prod(grid), self.norm.normalized_shape[0]
        cells = [part.cells(grid) for part in self.attentions if isinstance(part, MotionAttention)]
        attended = sum(count * size * (2 * size * dim + 4 * dim**2) for count, size in cells)
        return 2 * (attended + 10 * tokens * dim**2)


class MotionAttention(nn.Module):
    """Attention along time, of one place, of a cell of places, or of all; frames' numbers are told anew."""

    def __init__(self, dim: int, heads: int, scope: Scope, cell: int) -> None:
        super().__init__()
        self.heads, self.scope, self.cell = heads, scope, cell
        self.norm = WideLayerNorm(dim, eps=1e-5)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x_BTHWD: torch.Tensor) -> torch.Tensor:
        """What is to be added, the same shape."""
        _, frames, height, width, dim = x_BTHWD.shape
        x = self.norm(x_BTHWD) + _numbers(frames, dim, x_BTHWD)
        rows, columns = self._cell(height, width)
        # Cells at the edges that are not full are filled up, with what nobody looks at.
        more = (-height % rows, -width % columns)
        x = functional.pad(x, (0, 0, 0, more[1], 0, more[0]))
        cells = (x.shape[2] // rows, x.shape[3] // columns)
        x = x.unflatten(3, (cells[1], columns)).unflatten(2, (cells[0], rows))  # B T a r b c D
        gathered = x.permute(0, 2, 4, 1, 3, 5, 6).flatten(3, 5).flatten(0, 2)  # (B a b) (T r c) D
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(gathered).chunk(3, dim=-1))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=self._mask(x_BTHWD, rows, columns, cells))
        mixed = self.out(mixed.transpose(1, 2).flatten(2))
        back = mixed.unflatten(0, (-1, *cells)).unflatten(3, (frames, rows, columns)).permute(0, 3, 1, 4, 2, 5, 6)
        whole: torch.Tensor = back.flatten(4, 5).flatten(2, 3)[:, :, :height, :width]
        return whole

    def cells(self, grid: tuple[int, int, int]) -> tuple[int, int]:
        """How many sequences there are, and of how many tokens each, filling included."""
        frames, height, width = grid
        rows, columns = self._cell(height, width)
        return -(-height // rows) * -(-width // columns), frames * rows * columns

    def _cell(self, height: int, width: int) -> tuple[int, int]:
        if self.scope == "global":
            return height, width
        return (self.cell, self.cell) if self.scope == "grid" else (1, 1)

    def _mask(self, x_BTHWD: torch.Tensor, rows: int, columns: int, cells: tuple[int, int]) -> torch.Tensor | None:
        """(B a b, 1, 1, T r c), True for what is there; None where all cells are full."""
        batch, frames, height, width, _ = x_BTHWD.shape
        if height == cells[0] * rows and width == cells[1] * columns:
            return None
        there_HW = torch.zeros(cells[0] * rows, cells[1] * columns, dtype=torch.bool, device=x_BTHWD.device)
        there_HW[:height, :width] = True
        of_cells = there_HW.unflatten(1, (cells[1], columns)).unflatten(0, (cells[0], rows)).transpose(1, 2)
        keys: torch.Tensor = of_cells.flatten(2).flatten(0, 1).repeat(batch, frames)[:, None, None]
        return keys


def _numbers(frames: int, dim: int, like: torch.Tensor) -> torch.Tensor:
    """(T, 1, 1, D): the number of each frame, as waves."""
    return waves(frames, dim, like.device).to(like.dtype)[:, None, None]


def waves(count: int, dim: int, device: torch.device) -> torch.Tensor:
    """(count, dim) sines and cosines of 0, 1, ..., as arXiv 1706.03762 has them."""
    rates = torch.exp(-math.log(10_000.0) * torch.arange(0, dim, 2, device=device, dtype=torch.float32) / dim)
    angles = torch.arange(count, device=device, dtype=torch.float32)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :dim]
