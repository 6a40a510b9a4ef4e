"""A distance between pictures in the features of a network, which asks for edges where L1 is content with blur.

The network is small and random, and stays so: no download, and no licence of weights. Random convolutions tell edges,
texture and colour apart but know nothing of objects; LPIPS on a trained VGG (arXiv 1801.03924) can take its place, as
any frozen module that maps two videos to (B,).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from training.models.weights import initialise, own_randomness


class RandomFeatures(nn.Module):
    """Frames through `levels` convolutions of stride 2, compared after each, as LPIPS does with all channels equal."""

    def __init__(self, *, width: int = 32, levels: int = 3, seed: int = 0) -> None:
        super().__init__()
        with own_randomness():
            self.layers = nn.ModuleList(
                nn.Conv2d(3 if level == 0 else width, width, 3, stride=1 if level == 0 else 2, padding=1)
                for level in range(levels)
            )
        initialise(self, seed)
        self.requires_grad_(False)

    def forward(self, video: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """(B,) mean squared distance of features, in units of the reference's own; videos are (B, 3, F, H, W)."""
        a, b = (frames.transpose(1, 2).flatten(0, 1) for frames in (video, reference))
        distance = torch.zeros(len(a), device=a.device)
        for layer in self.layers:
            a, b = functional.leaky_relu(layer(a), 0.2), functional.leaky_relu(layer(b), 0.2)
            scale = b.square().mean((1, 2, 3)).clamp_min(1e-4)
            distance = distance + (a - b).square().mean((1, 2, 3)) / scale
        return distance.view(len(video), -1).mean(1) / len(self.layers)
