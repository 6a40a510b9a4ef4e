"""Rewards that a sampler can be tuned by, since gradients pass through them, and mixtures of them.

These are small ones for the shapes corpus: they read what is asked for from the caption's words and see it in pixels.
What judges real films (HPSv2, MPS, PickScore) fits the same contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch

from training.rewards.base import Reward, in_range
from training.shapes.corpus import COLORS, DIRECTIONS, SPEEDS
from training.shapes.truth import AREAS, DOWN


class ColorReward(Reward):
    """Share of all colour in the video that is of the prompted hue, 0 to 1. Grey is no colour."""

    name: ClassVar[str] = "color"

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """Squares weigh strong colours more, so that a breath of colour over all the background counts little."""
        chroma = _chroma(video)
        hues = torch.zeros(len(captions), 3, device=video.device)
        for row, caption in enumerate(captions):
            color = _asked(caption, COLORS)
            if color is not None:
                hue = torch.tensor(COLORS[color], device=video.device).float()
                hues[row] = torch.nn.functional.normalize(hue - hue.mean(), dim=0)
        along = torch.einsum("bcfhw,bc->bfhw", chroma, hues).relu()
        return along.square().flatten(1).mean(1) / (chroma.square().sum(1).flatten(1).mean(1) + 1e-3)


class DirectionReward(Reward):
    """How far the coloured pixels' centre goes the prompted way from first to last frame: 1 at the prompted speed.

    It falls off again beyond that speed. A video of one frame does not move: 0.
    """

    name: ClassVar[str] = "direction"

    def __init__(self, *, seconds_per_frame: float = 0.25) -> None:
        self.seconds_per_frame = seconds_per_frame

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """The centre is weighted by squared colour; ways are shares of the frame's sides."""
        frames = video.shape[2]
        wanted = torch.zeros(len(captions), 2, device=video.device)
        for row, caption in enumerate(captions):
            way, speed = _asked(caption, DIRECTIONS), _asked(caption, SPEEDS)
            if way is not None:
                goes = SPEEDS[speed or "slowly"] * self.seconds_per_frame * max(frames - 1, 1)
                wanted[row] = torch.tensor(DIRECTIONS[way], device=video.device) * goes
        centers_BF2 = _centers(_chroma(video).square().sum(1))
        missed = (centers_BF2[:, -1] - centers_BF2[:, 0] - wanted).square().sum(1)
        whole = wanted.square().sum(1)
        asked = whole > 0
        # 1 on the spot, 0 for what stands still; bounded below, so that one stray video does not rule the batch.
        return torch.where(asked, (1 - missed / whole.clamp_min(1e-12)).clamp_min(-3.0), torch.zeros_like(missed))


class ShapeReward(Reward):
    """Overlap of what is coloured with the prompted shape, drawn with the same area at the same place: 0 to 1.

    As `truth.shape` has it, but that edges are a pixel wide, so that gradients pass: they leave area and place alone.
    """

    name: ClassVar[str] = "shape"

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """Intersection over union, mean over frames."""
        strength = (_chroma(video).square().sum(1) + 1e-6).sqrt()
        strongest = strength.detach().flatten(2).quantile(0.99, dim=2).clamp_min(0.1)[..., None, None]
        masks_BFHW = torch.sigmoid((strength / strongest - 0.5) / 0.05)
        overlaps = []
        for masks, caption in zip(masks_BFHW, captions, strict=True):
            asked = _asked(caption, AREAS)
            if asked is None:
                overlaps.append(masks.new_zeros(()))
                continue
            drawn = _drawn(asked, masks.detach())
            overlaps.append((torch.minimum(masks, drawn).sum((1, 2)) / torch.maximum(masks, drawn).sum((1, 2))).mean())
        return torch.stack(overlaps)


class SaturationReward(Reward):
    """How strong the coloured pixels' colour is, 0 to about 1; it is indifferent to how many there are."""

    name: ClassVar[str] = "saturation"

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """Mean strength, weighted by strength."""
        strength = (_chroma(video).square().sum(1) + 1e-6).sqrt().flatten(1)
        return strength.square().sum(1) / strength.sum(1)


class BackgroundReward(Reward):
    """Share of pixels that stay grey, which they must around a single shape: 0.8 to 0.95 in the corpus, 0.65
    where shapes are large.

    To be watched rather than tuned for: whoever paints the whole picture in the prompted colour gains colour, and
    loses this.
    """

    name: ClassVar[str] = "background"

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """Smooth: a pixel's share falls to a half where its colour is a sixth of the range."""
        return (1 / (1 + _chroma(video).square().sum(1) / 0.33**2)).flatten(1).mean(1)


REWARDS: Mapping[str, type[Reward]] = {
    kind.name: kind for kind in (ColorReward, DirectionReward, ShapeReward, SaturationReward, BackgroundReward)
}


def _chroma(video_BCFHW: torch.Tensor) -> torch.Tensor:
    """What differs from grey, the same shape; clamped to what pixels can hold."""
    pixels = in_range(video_BCFHW)
    return pixels - pixels.mean(1, keepdim=True)


def _centers(weights_BFHW: torch.Tensor) -> torch.Tensor:
    """(B, F, 2) mean (x, y) under the weights, as a share of the sides."""
    height, width = weights_BFHW.shape[2:]
    x = (torch.arange(width, device=weights_BFHW.device) + 0.5) / width
    y = (torch.arange(height, device=weights_BFHW.device) + 0.5) / height
    whole = weights_BFHW.sum((2, 3)) + 1e-3
    return torch.stack([(weights_BFHW.sum(2) * x).sum(2) / whole, (weights_BFHW.sum(3) * y).sum(2) / whole], dim=2)


def _drawn(shape: str, masks_FHW: torch.Tensor) -> torch.Tensor:
    """(F, H, W) that shape with each mask's area, its middle at the mask's; 0.5 on the outline."""
    height, width = masks_FHW.shape[1:]
    area = masks_FHW.sum((1, 2)).clamp_min(1.0)
    center_x, center_y = (_centers(masks_FHW[None])[0] * masks_FHW.new_tensor([width, height])).unbind(1)
    radius = (area / AREAS[shape]).sqrt()
    columns = torch.arange(width, device=masks_FHW.device) + 0.5
    rows = torch.arange(height, device=masks_FHW.device) + 0.5
    x = ((columns - center_x[:, None]) / radius[:, None])[:, None]
    y = ((rows - center_y[:, None]) / radius[:, None] + DOWN[shape])[:, :, None]
    return torch.sigmoid(depth_inside(shape, x, y) * radius[:, None, None] / 0.5)


def depth_inside(shape: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """How far inside of the shape points are, in units of its radius, negative outside; see `corpus.inside_shape`."""
    if shape == "circle":
        return 1 - (x.square() + y.square()).sqrt()
    if shape == "square":
        return 0.85 - torch.maximum(x.abs(), y.abs())
    return torch.minimum(0.8 - y, (y + 1 - 2 * x.abs()) / 5**0.5)


def _asked(caption: str, words: Mapping[str, object]) -> str | None:
    """The first of the words that the caption names."""
    said = caption.lower().split()
    return next((word for word in words if word in said), None)
