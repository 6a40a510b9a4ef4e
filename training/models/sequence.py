"""One sample on several ranks: each has some of its tokens, and in attention all of them for some of the heads.

That is Ulysses (arXiv 2309.14509). Everything but attention works on tokens one by one, so activations of a rank are
those of its tokens; weights are whole, or shared as the trainer shares them. Text tokens are divided, too. Where there
are windows, a rank looks through those of its heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch.nn import functional

from training.models.dit import VideoDit
from training.models.rope import Rotation
from training.models.transformer import Transformer
from training.models.windows import Windows


def spread(dit: Transformer, group: Any) -> None:
    """Have each sample's tokens divided among the ranks of a group, all of which are given the same batches.

    Each rank gets the whole answer. Its gradients are those of its own tokens, times the ranks of the group: the mean
    over ranks, as of ranks with batches of their own, is the whole gradient.

    Raises:
        ValueError: the heads cannot be divided so, or it is a transformer of another kind.
    """
    if not isinstance(dit, VideoDit):
        raise ValueError(f"trainer.sequence_ranks divides the tokens of a VideoDit, and this is a {type(dit).__name__}")
    size = dist.get_world_size(group)
    if dit.config.heads % size:
        raise ValueError(f"{dit.config.heads} heads cannot be divided among trainer.sequence_ranks={size}")
    through, latents = dit._through_blocks, dit._latents
    for block in dit.blocks:
        block.mix = partial(_attention, group)  # type: ignore[assignment]
    video_tokens = 0

    def through_blocks(
        video: torch.Tensor,
        text: torch.Tensor,
        time: torch.Tensor,
        rotation: Rotation,
        mask: torch.Tensor | None,
        windows: Windows,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal video_tokens
        video_tokens = video.shape[1]
        own_mask = _mask(mask, text, video_tokens, size)
        cos, sin = (_own(_padded(part, 0, size), 0, group) for part in rotation)
        own_video, own_text = (_own(_padded(tokens, 1, size), 1, group) for tokens in (video, text))
        shared = SharedWindows(
            windows.config, windows.grid, heads=dit.config.heads, group=group, own_text=own_text.shape[1]
        )
        return through(own_video, own_text, time, (cos, sin), own_mask, shared)

    def whole_latents(patches_BNP: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        gathered: torch.Tensor = _Gather.apply(patches_BNP, group)
        return latents(gathered[:, :video_tokens], grid)

    dit._through_blocks, dit._latents = through_blocks, whole_latents  # type: ignore[method-assign]


def _attention(
    group: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_mask: torch.Tensor | None
) -> torch.Tensor:
    """Of (B, heads, own tokens, D): all tokens for a share of the heads meanwhile."""
    three = torch.cat([q, k, v])
    q, k, v = _Exchange.apply(three, group, 1, 2).chunk(3)
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
    back: torch.Tensor = _Exchange.apply(mixed, group, 2, 1)
    return back


@dataclass(frozen=True, slots=True)
class SharedWindows(Windows):
    """Windows through which heads look that are on several ranks, once each rank has all tokens for some of them."""

    group: Any = None
    own_text: int = 0
    """Text tokens of a rank."""

    def attend(
        self,
        q_BHSD: torch.Tensor,
        k_BHSD: torch.Tensor,
        v_BHSD: torch.Tensor,
        mask_BS: torch.Tensor | None,
    ) -> torch.Tensor:
        """Of a rank's own tokens, for all heads. The mask is of all tokens, as they lie once they are exchanged."""
        size, own, video_tokens = dist.get_world_size(self.group), q_BHSD.shape[2], math.prod(self.grid)
        three = _Exchange.apply(torch.cat([q_BHSD, k_BHSD, v_BHSD]), self.group, 1, 2)
        q, k, v = self._in_order(three, 2, size, video_tokens).chunk(3)
        mask = None if mask_BS is None else self._in_order(mask_BS, 1, size, video_tokens)
        here = Windows(self.config, self.grid, dist.get_rank(self.group) * q.shape[1], self.heads)
        text, video = here.attend(q, k, v, mask).split([size * self.own_text, video_tokens], dim=2)
        parts = (_padded(part, 2, size).chunk(size, 2) for part in (text, video))
        mixed = torch.cat([each for of_rank in zip(*parts, strict=True) for each in of_rank], 2)
        assert mixed.shape[2] == size * own
        back: torch.Tensor = _Exchange.apply(mixed, self.group, 2, 1)
        return back

    def _in_order(self, tokens: torch.Tensor, axis: int, size: int, video_tokens: int) -> torch.Tensor:
        """All text, padded, and then the video without padding, of what lies rank by rank along an axis."""
        of_ranks = tokens.unflatten(axis, (size, -1))
        text, video = of_ranks.split([self.own_text, of_ranks.shape[axis + 1] - self.own_text], axis + 1)
        video = video.flatten(axis, axis + 1).narrow(axis, 0, video_tokens)
        return torch.cat([text.flatten(axis, axis + 1), video], axis)


def _mask(mask_BS: torch.Tensor | None, text: torch.Tensor, video_tokens: int, size: int) -> torch.Tensor | None:
    """(B, S) in the order in which attention finds tokens: text and video of the first rank, then of the next."""
    text_tokens = text.shape[1]
    if mask_BS is None:
        if text_tokens % size == video_tokens % size == 0:
            return None
        mask_BS = text.new_ones(len(text), text_tokens + video_tokens, dtype=torch.bool)
    parts = (_padded(part, 1, size).chunk(size, 1) for part in mask_BS.split([text_tokens, video_tokens], 1))
    return torch.cat([each for of_rank in zip(*parts, strict=True) for each in of_rank], 1)


def _padded(tokens: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """With as many zeros at the end of an axis as make it a multiple of `size`."""
    short = -tokens.shape[axis] % size
    if not short:
        return tokens
    shape = [*tokens.shape]
    shape[axis] = short
    return torch.cat([tokens, tokens.new_zeros(shape)], axis)


def _own(tokens: torch.Tensor, axis: int, group: Any) -> torch.Tensor:
    """This rank's part, in memory of its own so that the whole need not be kept."""
    return tokens.chunk(dist.get_world_size(group), axis)[dist.get_rank(group)].clone()


class _Exchange(torch.autograd.Function):
    """Divide one axis among the ranks and join another from them."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, group: Any, divided: int, joined: int) -> torch.Tensor:
        ctx.how = group, joined, divided
        sent = torch.stack(x.chunk(dist.get_world_size(group), divided))
        got = torch.empty_like(sent)
        dist.all_to_all_single(got, sent, group=group)
        return torch.cat(got.unbind(), joined)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        return _Exchange.apply(gradients[0], *ctx.how), None, None, None


class _Gather(torch.autograd.Function):
    """The tokens of all ranks. All make the same of them, so each knows the others' gradients: they are its own."""

    @staticmethod
    def forward(ctx: Any, own_BNP: torch.Tensor, group: Any) -> torch.Tensor:
        ctx.group = group
        parts = [torch.empty_like(own_BNP) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, own_BNP.contiguous(), group=group)
        return torch.cat(parts, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        size = dist.get_world_size(ctx.group)
        return gradients[0].chunk(size, 1)[dist.get_rank(ctx.group)] * size, None
