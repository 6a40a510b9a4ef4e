"""Two judges of whether a video looks filmed: one of its frames, one of how they follow each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from training.models.weights import initialise, own_randomness


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """Layout; each level halves height and width, and in the judge of motion the first two halve time."""

    channels: tuple[int, ...] = (64, 128, 256)
    """Of each level, from the picture down."""
    groups: int = 32
    """Of channels that are normalised together."""

    def __post_init__(self) -> None:
        if any(width % self.groups for width in self.channels):
            raise ValueError(f"channels are {self.channels}, must be multiples of groups ({self.groups})")


class Discriminator(nn.Module):
    """Judges patches, not videos: takes any length and size, images too."""

    def __init__(self, config: DiscriminatorConfig, *, seed: int = 0) -> None:
        super().__init__()
        with own_randomness():
            self.frames = _Judge(config, temporal=False)
            self.motion = _Judge(config, temporal=True)
        initialise(self, seed)

    def forward(self, video_BCFHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, F, H, W) in [-1, 1] to both judges' logits (B, 1, f, h, w), greater for what looks real."""
        return self.frames(video_BCFHW), self.motion(video_BCFHW)


class _Judge(nn.Module):
    """Residual blocks of convolutions, one frame deep unless `temporal`."""

    def __init__(self, config: DiscriminatorConfig, *, temporal: bool) -> None:
        super().__init__()
        widths, depth = config.channels, 3 if temporal else 1
        self.conv_in = _conv(3, widths[0], depth)
        self.blocks = nn.ModuleList(
            _Block(widths[max(level - 1, 0)], width, config.groups, depth=depth, halves_time=temporal and level < 2)
            for level, width in enumerate(widths)
        )
        self.conv_out = nn.Conv3d(widths[-1], 1, 1)

    def forward(self, video_BCFHW: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(video_BCFHW)
        for block in self.blocks:
            x = block(x)
        logits: torch.Tensor = self.conv_out(functional.leaky_relu(x, 0.2))
        return logits


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, groups: int, *, depth: int, halves_time: bool) -> None:
        super().__init__()
        stride = (2 if halves_time else 1, 2, 2)
        self.norm1 = nn.GroupNorm(groups, inputs)
        self.conv1 = _conv(inputs, outputs, depth)
        self.norm2 = nn.GroupNorm(groups, outputs)
        self.conv2 = _conv(outputs, outputs, depth, stride)
        self.shortcut = nn.Conv3d(inputs, outputs, 1)

    def forward(self, x_BCFHW: torch.Tensor) -> torch.Tensor:
        h = self.conv1(functional.leaky_relu(self.norm1(x_BCFHW), 0.2))
        h = self.conv2(functional.leaky_relu(self.norm2(h), 0.2))
        # Means, not every second pixel: a shortcut that aliases would leave a grid in what it judges.
        means = functional.adaptive_avg_pool3d(x_BCFHW, h.shape[2:])
        out: torch.Tensor = self.shortcut(means) + h
        return out


def _conv(inputs: int, outputs: int, depth: int, stride: tuple[int, int, int] = (1, 1, 1)) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, (depth, 3, 3), stride=stride, padding=(depth // 2, 1, 1))
