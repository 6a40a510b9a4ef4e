"""Hybrid window attention (arXiv 2405.18991, 3.1): in some layers a video's tokens attend to those near them, which are
near in another direction for each group of heads; text sees and is seen from everywhere.

All kinds are boxes: a token attends to those that are at most so far away along each axis of a grid. The paper's
sliding window is one along the only axis of a sequence. The grid is cut into tiles of queries, each with the keys that
any of them sees and a mask where not all see all: nothing as large as tokens x tokens is made. It is exact, and wants
no kernel of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import Literal

import torch
from torch.nn import functional

from preprocess.io.bounds import above, at_least, check

Grid = tuple[int, int, int]
ORDERS: tuple[Grid, ...] = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
"""Of time, rows and columns, slowest first: that of the heads' first sixth, second, ..."""
MOST_QUERIES = 1024
"""Of a tile of a sequence, whose mask would be large otherwise: 1024 x 9216 at the window of a picture of 64 x 64."""
LEAST_QUERIES = 64
"""Of a tile along one axis: smaller ones cost more calls than they save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """Which layers look through windows, and how large these are."""

    kind: Literal["none", "picture", "slabs", "box"] = "none"
    """`picture`, the paper's: tokens are put in one of six orders, and a window is so many of them either side as
    `pictures` have. `slabs`: a third of the heads sees whole slabs across time, a third across rows, a third across
    columns, as far as `reach_...` say. `box`: all heads see as far as these say along all three axes at once."""
    pictures: float = field(default=1.0, metadata=above(0))
    """Tokens of a window either side, in those of a picture."""
    reach_frames: int = field(default=1, metadata=at_least(0))
    """Frames of tokens that are seen either side of a token's own."""
    reach_rows: int = field(default=1, metadata=at_least(0))
    """The same of rows."""
    reach_columns: int = field(default=1, metadata=at_least(0))
    """The same of columns."""
    first_layer: int | None = field(default=None, metadata=at_least(0))
    """From which on layers have windows; None is a quarter of the depth. Others attend to everything."""
    end_layer: int | None = field(default=None, metadata=at_least(0))
    """From which on they have none; None is three quarters."""

    def __post_init__(self) -> None:
        check(self, "windows")

    @property
    def reach(self) -> Grid:
        """Frames, rows and columns of tokens that are seen either side."""
        return self.reach_frames, self.reach_rows, self.reach_columns

    def in_layer(self, layer: int, layers: int) -> bool:
        """Whether the layer of that number, of so many, has windows."""
        first = layers // 4 if self.first_layer is None else self.first_layer
        end = layers - layers // 4 if self.end_layer is None else self.end_layer
        return self.kind != "none" and first <= layer < end


@dataclass(frozen=True, slots=True)
class _Group:
    """Heads that see the same box of the same grid."""

    heads: slice
    order: Grid
    """In which the grid's axes are put before they become a sequence, if they do."""
    reach: Grid


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of one grid of video tokens."""

    config: WindowConfig
    grid: Grid
    first_head: int = 0
    """The number of the first head that is given, among all."""
    heads: int | None = None
    """How many there are in all, where only some are given."""

    def attend(
        self,
        q_BHSD: torch.Tensor,
        k_BHSD: torch.Tensor,
        v_BHSD: torch.Tensor,
        mask_BS: torch.Tensor | None,
    ) -> torch.Tensor:
        """What each token of [text, video] makes of the values that it sees: (B, H, S, D).

        `mask_BS` is False for padding of the text, which nobody sees.
        """
        text = q_BHSD.shape[2] - math.prod(self.grid)
        mask = None if mask_BS is None else mask_BS[:, None, None]
        of_text = functional.scaled_dot_product_attention(q_BHSD[:, :, :text], k_BHSD, v_BHSD, attn_mask=mask)
        text_mask = None if mask_BS is None else mask_BS[:, :text]
        given = q_BHSD.shape[1]
        groups = _groups(self.config, self.grid, self.heads or given)
        of_video = [
            self._attend(group, (q_BHSD, k_BHSD, v_BHSD), text, text_mask)
            for group in _among(groups, self.first_head, self.first_head + given)
        ]
        return torch.cat([of_text, torch.cat(of_video, dim=1)], dim=2)

    def pairs(self, heads: int) -> float:
        """Pairs of video tokens of which one sees the other, in the mean of the heads."""
        counts: list[int] = [
            (group.heads.stop - group.heads.start) * _pairs(self._seen_as(group), group.reach)
            for group in _groups(self.config, self.grid, heads)
        ]
        return float(sum(counts) / heads)

    def _seen_as(self, group: _Group) -> Grid:
        return (math.prod(self.grid), 1, 1) if self.config.kind == "picture" else self.grid

    def _attend(
        self,
        group: _Group,
        qkv: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        text: int,
        text_mask_BL: torch.Tensor | None,
    ) -> torch.Tensor:
        """(B, heads of the group, N, D)."""
        # (B, H, axes of the grid, D), whose axes are put in the group's order
        q, k, v = (
            one[:, group.heads, text:].unflatten(2, self.grid).permute(0, 1, *(2 + axis for axis in group.order), 5)
            for one in qkv
        )
        ordered = q.shape[2:5]
        q, k, v = (one.flatten(2, 4).unflatten(2, self._seen_as(group)) for one in (q, k, v))
        text_k, text_v = (one[:, group.heads, :text] for one in qkv[1:])
        mixed = _box_attention(q, k, v, text_k, text_v, text_mask_BL, group.reach)
        back = [2 + group.order.index(axis) for axis in range(3)]
        straight: torch.Tensor = mixed.flatten(2, 4).unflatten(2, ordered).permute(0, 1, *back, 5)
        return straight.flatten(2, 4)


@cache
def _groups(config: WindowConfig, grid: Grid, heads: int) -> tuple[_Group, ...]:
    straight = ORDERS[0]
    if config.kind == "box":
        return (_Group(slice(0, heads), straight, config.reach),)
    if config.kind == "picture":
        width = round(config.pictures * grid[1] * grid[2])
        kinds = [(order, (width, 0, 0)) for order in ORDERS]
    else:
        whole = [(*grid[:axis], config.reach[axis], *grid[axis + 1 :]) for axis in range(3)]
        kinds = [(straight, (reach[0], reach[1], reach[2])) for reach in whole]
    bounds = [number * heads // len(kinds) for number in range(len(kinds) + 1)]
    groups = [_Group(slice(first, after), *kind) for first, after, kind in zip(bounds, bounds[1:], kinds, strict=False)]
    return tuple(group for group in groups if group.heads.start < group.heads.stop)


def _among(groups: Sequence[_Group], first: int, after: int) -> list[_Group]:
    """The groups of some of the heads, which are counted from 0 again."""
    found = []
    for group in groups:
        start, stop = max(group.heads.start, first), min(group.heads.stop, after)
        if start < stop:
            found.append(replace(group, heads=slice(start - first, stop - first)))
    return found


def _pairs(grid: Grid, reach: Grid) -> int:
    """Of places of a grid that are within reach of each other."""
    each = [min(far, size - 1) for size, far in zip(grid, reach, strict=True)]
    return math.prod(size * (2 * far + 1) - far * (far + 1) for size, far in zip(grid, each, strict=True))


def _box_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    text_k: torch.Tensor,
    text_v: torch.Tensor,
    text_mask_BL: torch.Tensor | None,
    reach: Grid,
) -> torch.Tensor:
    """Queries, keys and values (B, H, three axes, D), and text's (B, H, L, D), to (B, H, three axes, D)."""
    grid: Grid = (q.shape[2], q.shape[3], q.shape[4])
    spans = [_spans(*axis) for axis in zip(grid, reach, _tile(grid, reach), strict=True)]

    def tile(place: tuple[_Span, ...]) -> torch.Tensor:
        inner, outer = ([slice(*pair) for pair in pairs] for pairs in zip(*place, strict=True))
        queries = q[:, :, *inner]
        keys, values = (one[:, :, *outer].flatten(2, 4) for one in (k, v))
        seen = _mask(_allowed(_moved(place), reach, q.device), text_mask_BL, text_k.shape[2], keys.shape[2])
        mixed = functional.scaled_dot_product_attention(
            queries.flatten(2, 4), torch.cat([text_k, keys], 2), torch.cat([text_v, values], 2), attn_mask=seen
        )
        placed: torch.Tensor = mixed.unflatten(2, queries.shape[2:5])
        return placed

    made = [tile(place) for place in product(*spans)]
    for axis in (4, 3, 2):  # the last axis varies fastest
        beside = len(spans[axis - 2])
        made = [torch.cat(made[start : start + beside], dim=axis) for start in range(0, len(made), beside)]
    return made[0]


_Span = tuple[tuple[int, int], tuple[int, int]]
"""Where a tile's queries lie along an axis, and its keys, half-open."""


def _tile(grid: Grid, reach: Grid) -> Grid:
    """Sides of a tile. Its keys are 2 x reach larger along each axis, so along one axis it may be half as large as the
    reach at a quarter of work that is masked; along three, where there are eight times as many, it is as large."""
    limited = [far < size - 1 for size, far in zip(grid, reach, strict=True)]
    beside = math.prod(size for size, is_limited in zip(grid, limited, strict=True) if not is_limited)
    if sum(limited) == 1:
        least, most = -(-LEAST_QUERIES // beside), max(MOST_QUERIES // beside, 1)
        sides = [min(max(far // 2, least), most) for far in reach]
    else:
        sides = [max(far, 1) for far in reach]
    first, second, third = (
        side if is_limited else size for side, size, is_limited in zip(sides, grid, limited, strict=True)
    )
    return first, second, third


def _spans(size: int, reach: int, side: int) -> Sequence[_Span]:
    return [
        ((first, min(first + side, size)), (max(first - reach, 0), min(first + side + reach, size)))
        for first in range(0, size, side)
    ]


def _moved(place: tuple[_Span, ...]) -> tuple[_Span, ...]:
    """The same tile with its keys from 0 on: most tiles are alike then."""
    return tuple(((inner[0] - outer[0], inner[1] - outer[0]), (0, outer[1] - outer[0])) for inner, outer in place)


def _allowed(place: tuple[_Span, ...], reach: Grid, device: torch.device) -> torch.Tensor | None:
    """(queries, keys) of a tile: True where a key is within reach; None where all are."""
    farthest = (max(inner[1] - outer[0], outer[1] - inner[0]) - 1 for inner, outer in place)
    if all(apart <= far for apart, far in zip(farthest, reach, strict=True)):
        return None
    key = (place, reach, device)
    if (held := _masks.get(key)) is not None:
        return held
    near = [
        (torch.arange(*inner, device=device)[:, None] - torch.arange(*outer, device=device)).abs() <= far
        for (inner, outer), far in zip(place, reach, strict=True)
    ]
    picture = (near[1][:, None, :, None] & near[2][None, :, None, :]).flatten(2).flatten(0, 1)
    made = (near[0][:, None, :, None] & picture[None, :, None, :]).flatten(2).flatten(0, 1)
    if type(made) is torch.Tensor:  # and not one that holds nothing, of who only counts memory
        while len(_masks) >= _MOST_MASKS:
            _masks.pop(next(iter(_masks)), None)
        _masks[key] = made
    return made


_masks: dict[tuple[tuple[_Span, ...], Grid, torch.device], torch.Tensor] = {}
"""Of tiles, which are alike in a video and from step to step; the oldest go first."""
_MOST_MASKS = 64


def _mask(allowed: torch.Tensor | None, text_mask_BL: torch.Tensor | None, text: int, keys: int) -> torch.Tensor | None:
    """What a tile's queries see of [text, keys]; None if all."""
    if text_mask_BL is None:
        return None if allowed is None else functional.pad(allowed, (text, 0), value=True)
    if allowed is None:
        return functional.pad(text_mask_BL, (0, keys), value=True)[:, None, None]
    batch, queries = len(text_mask_BL), len(allowed)
    of_text = text_mask_BL[:, None, None].expand(batch, 1, queries, text)
    return torch.cat([of_text, allowed.expand(batch, 1, queries, keys)], dim=3)
