"""The layers of the video autoencoder. In time only convolutions mix, so that chunks of frames fit together exactly.

`conv` is the kind of these.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from training.models.causal import CausalConv3d, Memory, is_start
from training.models.vae_slices import SliceConv3d

Conv = type[CausalConv3d] | type[SliceConv3d]
"""What mixes frames: those so far, or those of a slice."""


class FrameGroupNorm(nn.GroupNorm):
    """GroupNorm with the statistics of each frame alone: those of a whole video would tell of frames to come."""

    def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W), normalised."""
        batch = x_BCTHW.shape[0]
        frames = super().forward(x_BCTHW.transpose(1, 2).flatten(0, 1))
        normed: torch.Tensor = frames.unflatten(0, (batch, -1)).transpose(1, 2)
        return normed


def frame_norm(channels: int, groups: int | None) -> nn.Module:
    """`FrameGroupNorm`, or nothing where `groups` is None."""
    return nn.Identity() if groups is None else FrameGroupNorm(groups, channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """Two convolutions besides a shortcut."""

    def __init__(self, inputs: int, outputs: int, groups: int | None, conv: Conv) -> None:
        super().__init__()
        self.norm1 = frame_norm(inputs, groups)
        self.conv1 = conv(inputs, outputs)
        self.norm2 = frame_norm(outputs, groups)
        self.conv2 = conv(outputs, outputs)
        self.shortcut = conv(inputs, outputs, (1, 1, 1)) if inputs != outputs else nn.Identity()

    def forward(self, x_BCTHW: torch.Tensor, memory: Memory | None) -> torch.Tensor:
        """(B, inputs, T, H, W) to (B, outputs, T, H, W)."""
        h = self.conv1(functional.silu(self.norm1(x_BCTHW)), memory)
        h = self.conv2(functional.silu(self.norm2(h)), memory)
        out: torch.Tensor = self.shortcut(x_BCTHW) + h
        return out


class FrameAttention(nn.Module):
    """Attention among the places of one frame, in one head."""

    def __init__(self, channels: int, groups: int | None) -> None:
        super().__init__()
        self.norm = frame_norm(channels, groups)
        self.q = nn.Linear(channels, channels)
        self.k = nn.Linear(channels, channels)
        self.v = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def zero_start(self) -> None:
        """Add nothing at first: random sums over a frame would drown what is at a place."""
        nn.init.zeros_(self.out.weight)

    def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W), the same."""
        batch, _, _, height, width = x_BCTHW.shape
        # (B T, 1, H W, C): frames are the batch.
        places = self.norm(x_BCTHW).permute(0, 2, 3, 4, 1).flatten(2, 3).flatten(0, 1).unsqueeze(1)
        mixed = functional.scaled_dot_product_attention(self.q(places), self.k(places), self.v(places))
        mixed = self.out(mixed).squeeze(1).unflatten(0, (batch, -1)).unflatten(2, (height, width))
        out: torch.Tensor = x_BCTHW + mixed.permute(0, 4, 1, 2, 3)
        return out


class Middle(nn.Module):
    """What stands between encoder and latents, and between latents and decoder."""

    def __init__(self, channels: int, groups: int | None, conv: Conv) -> None:
        super().__init__()
        self.before = ResidualBlock(channels, channels, groups, conv)
        self.attention = FrameAttention(channels, groups)
        self.after = ResidualBlock(channels, channels, groups, conv)

    def forward(self, x_BCTHW: torch.Tensor, memory: Memory | None) -> torch.Tensor:
        """(B, C, T, H, W), the same."""
        out: torch.Tensor = self.after(self.attention(self.before(x_BCTHW, memory)), memory)
        return out


class PlainMiddle(nn.Module):
    """The same without attention: residual blocks, which know of a neighbourhood alone."""

    def __init__(self, channels: int, groups: int | None, conv: Conv, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(channels, channels, groups, conv) for _ in range(count))

    def forward(self, x_BCTHW: torch.Tensor, memory: Memory | None) -> torch.Tensor:
        """(B, C, T, H, W), the same."""
        for block in self.blocks:
            x_BCTHW = block(x_BCTHW, memory)
        return x_BCTHW


def downsample(channels: int, conv: Conv, *, temporal: bool, flat_depth: int = 1) -> CausalConv3d | SliceConv3d:
    """Half the height and width, and where `temporal` also half the frames: 2n + 1 become n + 1.

    `flat_depth` is how many frames a step in space alone looks at.
    """
    kernel, stride = (3, 2) if temporal else (flat_depth, 1)
    return conv(channels, channels, (kernel, 3, 3), stride=(stride, 2, 2))


class MeanDownsample(nn.Module):
    """`downsample`, which adds what it learns to the mean of the places that become one."""

    def __init__(self, channels: int, conv: Conv, *, temporal: bool, flat_depth: int = 1) -> None:
        super().__init__()
        self.temporal = temporal
        self.conv = downsample(channels, conv, temporal=temporal, flat_depth=flat_depth)

    def forward(self, x_BCTHW: torch.Tensor, memory: Memory | None) -> torch.Tensor:
        """(B, C, T, H, W) to (B, C, T', H / 2, W / 2)."""
        learnt: torch.Tensor = self.conv(x_BCTHW, memory)
        if self.temporal and is_start(memory):
            x_BCTHW = torch.cat([x_BCTHW[:, :, :1], x_BCTHW], dim=2)  # the first frame has a latent of its own
        return learnt + functional.avg_pool3d(x_BCTHW, (2 if self.temporal else 1, 2, 2))


class Upsample(nn.Module):
    """Twice the height and width, and where `temporal` also twice the frames but the first: n + 1 become 2n + 1.

    `flat_depth` is how many frames a step in space alone looks at. A `residual` one adds what it learns to the places
    repeated, and to the first frame of each two what it learns of their difference, which is nothing at first: from
    repeated frames alone convolutions are slow to tell which of the two is which.
    """

    def __init__(
        self, channels: int, conv: Conv, *, temporal: bool, flat_depth: int = 1, residual: bool = False
    ) -> None:
        super().__init__()
        self.temporal = temporal
        self.residual = residual
        self.conv = conv(channels, channels, (3 if temporal else flat_depth, 3, 3))
        self.difference = conv(channels, channels) if temporal and residual else None

    def zero_start(self) -> None:
        """Both frames alike at first."""
        if self.difference is not None:
            nn.init.zeros_(self.difference.weight)

    def forward(self, x_BCTHW: torch.Tensor, memory: Memory | None) -> torch.Tensor:
        """(B, C, T, H, W) to (B, C, T', 2H, 2W)."""
        x_BCTHW = functional.interpolate(x_BCTHW, scale_factor=(1, 2, 2), mode="nearest")
        learnt: torch.Tensor = self.conv(x_BCTHW, memory)
        made = x_BCTHW + learnt if self.residual else learnt
        if not self.temporal:
            return made
        if self.difference is None:
            twice = made.repeat_interleave(2, dim=2)
        else:
            twice = torch.stack([made + self.difference(x_BCTHW, memory), made], dim=3).flatten(2, 3)
        return twice[:, :, 1:] if is_start(memory) else twice
