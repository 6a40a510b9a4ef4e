"""Rotary positions in time, height and width: what attention knows of where a token lies in its video."""

from __future__ import annotations

import torch

Rotation = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines, each (N, head_dim / 2) float32, tokens in the order time, row, column."""

THETA = 10_000.0
"""The longest wave is about this many positions long."""


def rotation_3d(
    grid: tuple[int, int, int],
    head_dim: int,
    *,
    base_grid: tuple[int, int] | None,
    device: torch.device | str,
    stretched: bool = False,
) -> Rotation:
    """The rotation of each token of a `grid` of (frames, rows, columns).

    Time takes 2/8 of a head, rows and columns 3/8 each (arXiv 2405.18991, section 3.3). With `base_grid` (rows,
    columns) the picture is scaled to lie in the middle of that grid, its aspect kept, so that all resolutions share
    one range of positions; else positions are counted. With `stretched` its last row and column lie where they would
    if it began at 0, and the others evenly between: as in diffusers since 0.32.

    Raises:
        ValueError: the parts of the head are not even.
    """
    sizes = axis_sizes(head_dim)
    rows = torch.arange(grid[1], dtype=torch.float32, device=device)
    columns = torch.arange(grid[2], dtype=torch.float32, device=device)
    if base_grid is not None:
        vertical, horizontal = _fitted(grid[1:], base_grid)
        rows, columns = _placed(rows, *vertical, stretched), _placed(columns, *horizontal, stretched)
    axes = (torch.arange(grid[0], dtype=torch.float32, device=device), rows, columns)
    angles = [_angles(positions, size) for positions, size in zip(axes, sizes, strict=True)]
    time = angles[0][:, None, None].expand(*grid, -1)
    row = angles[1][None, :, None].expand(*grid, -1)
    column = angles[2][None, None].expand(*grid, -1)
    all_angles = torch.cat([time, row, column], dim=-1).flatten(0, 2)
    return all_angles.cos(), all_angles.sin()


def rotate(x_BHND: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Turn each pair of neighbouring values by its angle, in float32 at least."""
    cos, sin = rotation
    pairs = x_BHND.to(torch.promote_types(x_BHND.dtype, torch.float32)).unflatten(-1, (-1, 2))
    first, second = pairs.unbind(-1)
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return turned.flatten(-2).to(x_BHND.dtype)


def axis_sizes(head_dim: int) -> tuple[int, int, int]:
    """How many values of a head are for time, rows and columns."""
    if head_dim % 16:
        raise ValueError(f"head_dim is {head_dim}, must be a multiple of 16: its eighths are turned in pairs")
    return head_dim // 8 * 2, head_dim // 8 * 3, head_dim // 8 * 3


def _angles(positions: torch.Tensor, size: int) -> torch.Tensor:
    """(P,) to (P, size / 2)."""
    powers = torch.arange(0, size, 2, dtype=torch.float32, device=positions.device) / size
    return positions[:, None] * THETA**-powers


def _placed(counted: torch.Tensor, start: int, length: int, stretched: bool) -> torch.Tensor:
    """Positions 0, 1, ... from `start` on, `length` in all."""
    count = len(counted)
    if not stretched:
        return start + counted * (length / count)
    last = (start + length) * (count - 1) / count
    return start + counted * ((last - start) / max(count - 1, 1))


def _fitted(grid: tuple[int, int], base: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """(start, length) of rows and of columns: the largest picture of `grid`'s aspect in the middle of `base`.

    In whole positions, as the released weights were trained.
    """
    scale = min(base[0] / grid[0], base[1] / grid[1])
    height, width = round(grid[0] * scale), round(grid[1] * scale)
    return (round((base[0] - height) / 2), height), (round((base[1] - width) / 2), width)
