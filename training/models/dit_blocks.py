"""The layers of the video transformer: two streams, text and video, that meet in one attention."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from training.models.rope import Rotation, rotate
from training.models.windows import Windows


class WideLayerNorm(nn.LayerNorm):
    """LayerNorm computed in float32 at least, whatever the weights and inputs are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape and type."""
        wide = torch.promote_types(x.dtype, torch.float32)
        gain, bias = self.weight.to(wide), self.bias.to(wide)
        return functional.layer_norm(x.to(wide), self.normalized_shape, gain, bias, self.eps).to(x.dtype)


class TextProjection(nn.Module):
    """RMSNorm, then Linear: a language model's activations reach tens of thousands."""

    def __init__(self, text_dim: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(text_dim, eps=1e-6)
        self.linear = nn.Linear(text_dim, dim)

    def forward(self, text_BLC: torch.Tensor) -> torch.Tensor:
        """(B, L, text_dim) in any type to (B, L, dim) in the weights' type."""
        wide = text_BLC.to(torch.promote_types(text_BLC.dtype, torch.float32))
        normed = functional.rms_norm(wide, self.norm.normalized_shape, self.norm.weight.to(wide.dtype), self.norm.eps)
        modulation: torch.Tensor = self.linear(normed.to(self.linear.weight.dtype))
        return modulation


class TimeEmbedding(nn.Module):
    """A timestep as waves, then two linear layers."""

    def __init__(self, dim: int, time_dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.linear1 = nn.Linear(dim, time_dim)
        self.linear2 = nn.Linear(time_dim, time_dim)

    def forward(self, timesteps_B: torch.Tensor) -> torch.Tensor:
        """(B,) in [0, 1000] to (B, time_dim)."""
        half = self.dim // 2
        powers = torch.arange(half, dtype=torch.float32, device=timesteps_B.device) / half
        angles = timesteps_B.float()[:, None] * torch.exp(-math.log(10_000.0) * powers)
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        time_BE: torch.Tensor = self.linear2(functional.silu(self.linear1(waves.to(self.linear1.weight.dtype))))
        return time_BE


class AdaptiveNorm(nn.Module):
    """One LayerNorm for both streams; the time gives each its shift, scale and gate."""

    def __init__(self, dim: int, time_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(time_dim, 6 * dim)
        self.norm = WideLayerNorm(dim, eps=1e-5)

    def zero_start(self) -> None:
        """Gates are closed at first, so that each block begins as the identity (adaLN-Zero, arXiv 2212.09748)."""
        _zero(self.linear)

    def forward(
        self, video_BND: torch.Tensor, text_BLD: torch.Tensor, time_BE: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Both streams normalised and shifted, then the gates (B, 1, D) of video and text."""
        changes = self.linear(functional.silu(time_BE))[:, None].chunk(6, dim=-1)
        shift, scale, gate, text_shift, text_scale, text_gate = changes
        video_BND = self.norm(video_BND) * (1 + scale) + shift
        text_BLD = self.norm(text_BLD) * (1 + text_scale) + text_shift
        return video_BND, text_BLD, gate, text_gate


class FinalNorm(nn.Module):
    """LayerNorm with a shift and scale that the time gives."""

    def __init__(self, dim: int, time_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(time_dim, 2 * dim)
        self.norm = WideLayerNorm(dim, eps=1e-5)

    def zero_start(self) -> None:
        """No shift and no scale at first."""
        _zero(self.linear)

    def forward(self, video_BND: torch.Tensor, time_BE: torch.Tensor) -> torch.Tensor:
        """(B, N, D), the same."""
        shift, scale = self.linear(functional.silu(time_BE))[:, None].chunk(2, dim=-1)
        out: torch.Tensor = self.norm(video_BND) * (1 + scale) + shift
        return out


class AttentionWeights(nn.Module):
    """What one stream brings to attention: its queries, keys and values, and the way out."""

    def __init__(self, dim: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self.norm_q = WideLayerNorm(head_dim, eps=1e-6)
        self.norm_k = WideLayerNorm(head_dim, eps=1e-6)

    def forward(self, x_BND: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(B, N, D) to queries, keys and values, each (B, heads, N, head_dim)."""
        q, k, v = (layer(x_BND).unflatten(-1, (-1, self.head_dim)) for layer in (self.q, self.k, self.v))
        return self.norm_q(q).transpose(1, 2), self.norm_k(k).transpose(1, 2), v.transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers around GELU, four times as wide between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, 4 * dim)
        self.linear2 = nn.Linear(4 * dim, dim)

    def forward(self, x_BND: torch.Tensor) -> torch.Tensor:
        """(B, N, D), the same."""
        out: torch.Tensor = self.linear2(functional.gelu(self.linear1(x_BND), approximate="tanh"))
        return out


class DitBlock(nn.Module):
    """Attention over [text, video], then a feed-forward layer; each stream has its own weights unless `shared`."""

    def __init__(self, dim: int, head_dim: int, time_dim: int, *, shared: bool) -> None:
        super().__init__()
        self.norm1 = AdaptiveNorm(dim, time_dim)
        self.norm2 = AdaptiveNorm(dim, time_dim)
        self.attention = AttentionWeights(dim, head_dim)
        self.feed_forward = FeedForward(dim)
        self.text_attention = None if shared else AttentionWeights(dim, head_dim)
        self.text_feed_forward = None if shared else FeedForward(dim)
        self.mix: Callable[..., torch.Tensor] = functional.scaled_dot_product_attention
        """What attends; `training.models.sequence` has one for tokens that are on several ranks."""

    def forward(
        self,
        video_BND: torch.Tensor,
        text_BLD: torch.Tensor,
        time_BE: torch.Tensor,
        rotation: Rotation,
        mask_BS: torch.Tensor | None,
        windows: Windows | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both streams, one block further. `mask_BS` is True for the tokens of [text, video] that may be looked at;
        with `windows` the video looks through them, without at everything."""
        video, text, gate, text_gate = self.norm1(video_BND, text_BLD, time_BE)
        video, text = self._attend(video, text, rotation, mask_BS, windows)
        video_BND, text_BLD = video_BND + gate * video, text_BLD + text_gate * text
        video, text, gate, text_gate = self.norm2(video_BND, text_BLD, time_BE)
        text_feed_forward = self.text_feed_forward or self.feed_forward
        return video_BND + gate * self.feed_forward(video), text_BLD + text_gate * text_feed_forward(text)

    def _attend(
        self,
        video_BND: torch.Tensor,
        text_BLD: torch.Tensor,
        rotation: Rotation,
        mask_BS: torch.Tensor | None,
        windows: Windows | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        text_weights = self.text_attention or self.attention
        q, k, v = self.attention(video_BND)
        text_q, text_k, text_v = text_weights(text_BLD)
        q = torch.cat([text_q, rotate(q, rotation)], dim=2)
        k = torch.cat([text_k, rotate(k, rotation)], dim=2)
        v = torch.cat([text_v, v], dim=2)
        if windows is None:
            mixed = self.mix(q, k, v, attn_mask=None if mask_BS is None else mask_BS[:, None, None])
        else:
            mixed = windows.attend(q, k, v, mask_BS)
        text, video = mixed.transpose(1, 2).flatten(2).split([text_BLD.shape[1], video_BND.shape[1]], dim=1)
        return self.attention.out(video), text_weights.out(text)


def _zero(linear: nn.Linear) -> None:
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
