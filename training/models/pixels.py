"""Pixels as files and workers have them, of 8 bits, and as models do."""

from __future__ import annotations

import torch


def as_model_input(frames: torch.Tensor) -> torch.Tensor:
    """uint8 (B, F, H, W, 3) as float32 (B, 3, F, H, W) on the same device: 0 becomes -1 and 255 becomes 1."""
    return frames.permute(0, 4, 1, 2, 3).to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)
