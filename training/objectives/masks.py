"""What a transformer is told of a video beside its text: frames and places that are known, by a mask and their pixels.

One condition makes of a model one for image-to-video from the first, the last or both frames, and one for inpainting:
what differs is where the mask is 1. In training masks of many kinds are drawn, in shares after EasyAnimate's
`get_random_mask`, with noise on what is known, so that small faults of a given picture are not clung to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import torch
from torch.nn import functional

from preprocess.io.bounds import at_least, check, within
from training.run.noise import SampleNoise

UNKNOWN = -1.0
"""What stands in a pixel's place before it is encoded."""
NOISE_LOG_MEAN, NOISE_LOG_DEVIATION = -3.0, 0.5
"""Of the deviation of the noise on known pixels, in their range of -1 to 1: EasyAnimate's, 0.05 in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskConfig:
    """How often which mask is drawn for a video. Weights of kinds need not sum to 1."""

    share: float = field(default=0.0, metadata=within("[0, 1]"))
    """Of the samples for which a mask is drawn."""
    noise: bool = True
    """Whether noise is added to what is known."""
    level: float = 1.0
    """What the mask's channel says of known places; the released weights know 0.7125, their latents' scale."""
    nothing: float = field(default=0.20, metadata=at_least(0))
    """Weight of masks that leave nothing known: text alone."""
    first: float = field(default=0.20, metadata=at_least(0))
    """The first one to four frames are known."""
    last: float = field(default=0.0, metadata=at_least(0))
    """The last one to four are."""
    ends: float = field(default=0.20, metadata=at_least(0))
    """Of both ends one to four."""
    rectangle: float = field(default=0.05, metadata=at_least(0))
    """All but a rectangle, the same in all frames; of pictures this or nothing, at 1 to 4."""
    window: float = field(default=0.05, metadata=at_least(0))
    """All but a rectangle in some successive frames."""
    ellipse: float = field(default=0.15, metadata=at_least(0))
    """All but an ellipse in all frames."""
    boxes: float = field(default=0.05, metadata=at_least(0))
    """All but three rectangles."""
    pixels: float = field(default=0.05, metadata=at_least(0))
    """Half of the pixels, by chance."""
    frames: float = field(default=0.05, metadata=at_least(0))
    """Half of the frames, by chance."""

    def __post_init__(self) -> None:
        check(self, "masks")
        if self.share and not sum(weight for _, weight in self.weights()):
            raise ValueError("masks.share is set, and all kinds have the weight 0")

    def weights(self) -> list[tuple[str, float]]:
        """By kind."""
        others = ("share", "noise", "level")
        return [(each.name, getattr(self, each.name)) for each in fields(self) if each.name not in others]


def drawn_masks(config: MaskConfig, noise: SampleNoise, size: tuple[int, int, int]) -> torch.Tensor:
    """(B, 1, F, H, W) in 0 and 1, where 1 is known; each sample's is its own."""
    chances = noise.uniform(16).cpu()
    kinds = [_kind(config, float(one[0]), is_picture=size[0] == 1) for one in chances]
    masks = torch.stack([_mask(kind, one[1:], size) for kind, one in zip(kinds, chances, strict=True)])
    if "pixels" in kinds:  # the last draw, so that it makes no difference to samples beside it
        points = noise.uniform(*size).cpu() < 0.5
        for number, kind in enumerate(kinds):
            if kind == "pixels":
                masks[number] = points[number].float()
    return masks[:, None].to(noise.device)


def noise_on_known(video_BCFHW: torch.Tensor, noise: SampleNoise) -> torch.Tensor:
    """Pixels with a noise whose size each sample draws."""
    deviation = torch.exp(noise.normal() * NOISE_LOG_DEVIATION + NOISE_LOG_MEAN).view(-1, 1, 1, 1, 1)
    return video_BCFHW + deviation * noise.normal(*video_BCFHW.shape[1:])


def mask_condition(
    video_BCFHW: torch.Tensor,
    known_B1FHW: torch.Tensor,
    latents_of: Callable[[torch.Tensor], torch.Tensor],
    *,
    level: float = 1.0,
) -> torch.Tensor:
    """(B, 1 + C, T, h, w): the mask, `level` where a latent is known, then latents of the video without the unknown.

    Where nothing is known of a sample, all of it is 0, which is what a model is told of text alone.
    """
    latents = latents_of(torch.where(known_B1FHW > 0, video_BCFHW, UNKNOWN))
    condition = torch.cat([level * resized_mask(known_B1FHW, latents.shape[2:]), latents], dim=1)
    return condition * known_B1FHW.flatten(1).any(dim=1).view(-1, 1, 1, 1, 1)


def resized_mask(known_B1FHW: torch.Tensor, size: torch.Size | tuple[int, ...]) -> torch.Tensor:
    """The share that is known of each latent (T, h, w): the first frame is for itself, as the autoencoder has it."""
    known = known_B1FHW.float()
    parts = [(known[:, :, :1], 1), (known[:, :, 1:], size[0] - 1)]
    return torch.cat(
        [functional.adaptive_avg_pool3d(part, (frames, size[1], size[2])) for part, frames in parts if frames], dim=2
    )


def _kind(config: MaskConfig, chance: float, *, is_picture: bool) -> str:
    weights = [("rectangle", 0.2), ("nothing", 0.8)] if is_picture else config.weights()
    left = chance * sum(weight for _, weight in weights)
    for kind, weight in weights:
        left -= weight
        if left < 0 < weight:
            return kind
    return next(kind for kind, weight in reversed(weights) if weight)


def _mask(kind: str, chances: torch.Tensor, size: tuple[int, int, int]) -> torch.Tensor:
    """(F, H, W) of one sample; of pixels it is drawn elsewhere."""
    frames, height, width = size
    known = torch.zeros(size) if kind in ("nothing", "first", "last", "ends") else torch.ones(size)
    count = min(1 + int(chances[0] * 4), max(frames - 1, 1))
    if kind in ("first", "ends"):
        known[:count] = 1
    if kind in ("last", "ends"):
        known[-min(1 + int(chances[1] * 4), max(frames - 1, 1)) :] = 1
    if kind in ("rectangle", "window"):
        first, after = (0, frames) if kind == "rectangle" else _span(chances[4], chances[5], frames)
        top, bottom = _span(chances[0], chances[1], height)
        left, right = _span(chances[2], chances[3], width)
        known[first:after, top:bottom, left:right] = 0
    if kind == "boxes":
        for box in chances[:12].view(3, 4):
            known[:, slice(*_span(box[0], box[1], height)), slice(*_span(box[2], box[3], width))] = 0
    if kind == "ellipse":
        rows = (torch.arange(height) + 0.5) / height - (0.25 + 0.5 * chances[0])
        columns = (torch.arange(width) + 0.5) / width - (0.25 + 0.5 * chances[1])
        tall, wide = 0.15 + 0.25 * chances[2:4]
        known[:, (rows[:, None] / tall) ** 2 + (columns[None] / wide) ** 2 < 1] = 0
    if kind == "frames":
        generator = torch.Generator().manual_seed(int(chances[0] * 2**24))
        known[torch.rand(frames, generator=generator) < 0.5] = 0
    return known


def _span(place: torch.Tensor, share: torch.Tensor, length: int) -> tuple[int, int]:
    """A part of an axis, a quarter to three quarters long."""
    size = max(1, round(float(0.25 + 0.5 * share) * length))
    first = int(float(place) * (length - size + 1))
    return first, first + size
