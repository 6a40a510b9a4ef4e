"""Pictures too large for an autoencoder at once are encoded and decoded in squares that overlap, blended where they do.

A square's border was made without what lies behind it, so it counts least there. It is not the whole picture's result:
statistics of a frame, and attention within it, are a square's own.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product

import torch

OVERLAP = Fraction(1, 4)
"""Of a square's side; EasyAnimate's share."""


def blended(
    make: Callable[[torch.Tensor], torch.Tensor], whole: torch.Tensor, *, side: int, scale: Fraction
) -> torch.Tensor:
    """What `make` does to (..., H, W), by squares.

    Args:
        make: from (..., side, side) to (..., side x scale, side x scale), or from what is smaller than a square.
        whole: pixels or latents.
        side: of a square, in those; it and its quarter are whole numbers of what is made.
        scale: by how much what is made is larger, such as 8 or 1/8.
    """
    step = side - int(side * OVERLAP)
    height, width = whole.shape[-2:]
    made: torch.Tensor | None = None
    weights = torch.zeros(1)
    for top, left in product(_starts(height, side, step), _starts(width, side, step)):
        square = make(whole[..., top : top + side, left : left + side])
        if made is None:
            size = (int(height * scale), int(width * scale))
            made = square.new_zeros(*square.shape[:-2], *size, dtype=torch.promote_types(square.dtype, torch.float32))
            weights = made.new_zeros(size)
        rows, columns = square.shape[-2:]
        across = int((side - step) * scale)
        weight = _tent(rows, across, made)[:, None] * _tent(columns, across, made)
        at = (slice(int(top * scale), int(top * scale) + rows), slice(int(left * scale), int(left * scale) + columns))
        made[..., *at] += square * weight
        weights[at] += weight
    assert made is not None
    return made.div_(weights).to(square.dtype)


def _starts(length: int, side: int, step: int) -> list[int]:
    """Where squares begin; the last one ends where the picture does."""
    return [*range(0, max(length - side, 0), step), max(length - side, 0)]


def _tent(length: int, across: int, like: torch.Tensor) -> torch.Tensor:
    """Weights that rise from a border over the overlap, and fall to the other."""
    places = torch.arange(length, dtype=like.dtype, device=like.device)
    nearest = torch.minimum(places, length - 1 - places) + 1
    return (nearest / (across + 1)).clamp_max(1.0)
