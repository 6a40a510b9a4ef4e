"""LPIPS (arXiv 1801.03924): a distance of pictures in a trained VGG-16, weighed channel by channel as people judged.

Weights are never fetched unasked: `objective.lpips.vgg` names torchvision's file of VGG-16 (`features.0.weight`, ...),
`objective.lpips.heads` that of the linear layers (`lin0.model.1.weight`, ...), as the package lpips has it in
`weights/v0.1/vgg.pth`. Paths, or hub ids `owner/name:file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.weights import find_file
from training.models.weights import own_randomness
from training.run.config import WEIGHTS

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of VGG-16's convolutions, in groups: features are taken behind each, and pictures halved."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of pixels in [-1, 1]: what ImageNet's mean and deviation become there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LpipsConfig:
    """Files of weights; none by ""."""

    vgg: str = field(default="", metadata=WEIGHTS)
    """VGG-16 as torchvision names its weights, .pth or .safetensors."""
    heads: str = field(default="", metadata=WEIGHTS)
    """The layers that weigh channels."""

    def __post_init__(self) -> None:
        if bool(self.vgg) != bool(self.heads):
            raise ValueError("lpips.vgg and lpips.heads name two parts of one network: set both or none")

    @property
    def is_off(self) -> bool:
        """Whether no weights are named."""
        return not self.vgg


class Lpips(nn.Module):
    """Frozen."""

    def __init__(self, config: LpipsConfig) -> None:
        super().__init__()
        with own_randomness():
            widths = [3, *(width for stage in STAGES for width in stage)]
            self.layers = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths))
        self.shift: torch.Tensor
        self.scale: torch.Tensor
        self.heads = nn.ParameterList(torch.empty(stage[-1]) for stage in STAGES)
        self.register_buffer("shift", torch.tensor(SHIFT, device="cpu").view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE, device="cpu").view(1, 3, 1, 1))
        self._fill(_read(config.vgg, "objective.lpips.vgg"), _read(config.heads, "objective.lpips.heads"))
        self.requires_grad_(False)

    def forward(self, video: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """(B,) of videos (B, 3, F, H, W) in [-1, 1], mean over frames; 0 is equal. Sides are 16 pixels at least."""
        batch, _, frames, *_ = video.shape
        both = torch.cat([each.transpose(1, 2).flatten(0, 1) for each in (video, reference)])
        x = (both - self.shift) / self.scale
        distance = x.new_zeros(batch * frames)
        layers = iter(self.layers)
        for number, (stage, head) in enumerate(zip(STAGES, self.heads, strict=True)):
            if number:
                x = functional.max_pool2d(x, 2)
            for _ in stage:
                x = functional.relu(next(layers)(x))
            a, b = (x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)).chunk(2)
            distance = distance + torch.einsum("nchw,c->nhw", (a - b).square(), head).mean((1, 2))
        return distance.view(batch, frames).mean(1)

    @torch.no_grad()
    def _fill(self, vgg: Mapping[str, torch.Tensor], heads: Mapping[str, torch.Tensor]) -> None:
        place = 0
        wanted: list[tuple[Mapping[str, torch.Tensor], str, torch.Tensor]] = []
        numbers = iter(self.layers)
        for stage in STAGES:
            for _ in stage:
                layer = next(numbers)
                wanted += [(vgg, f"features.{place}.{kind}", getattr(layer, kind)) for kind in ("weight", "bias")]
                place += 2  # with the ReLU behind it
            place += 1  # the pooling
        wanted += [(heads, f"lin{number}.model.1.weight", head) for number, head in enumerate(self.heads)]
        for held, name, weight in wanted:
            if name not in held or held[name].numel() != weight.numel():
                found = f"of shape {tuple(held[name].shape)}" if name in held else "not there"
                raise ValueError(f"weights of LPIPS: {name} is {found}, expected {tuple(weight.shape)}")
            weight.copy_(held[name].view_as(weight))


def _read(weights: str, setting: str) -> Mapping[str, torch.Tensor]:
    path: Path = find_file(weights, setting=setting)
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        held_by_name: dict[str, torch.Tensor] = load_file(path)
        return held_by_name
    # weights_only refuses a pickle with code in it.
    held: object = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(held, Mapping):
        raise ValueError(f"{path}: expected tensors by name, got {type(held).__name__}")
    return held
