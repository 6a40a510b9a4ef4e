"""What training shows a transformer beside the text: control videos, reference pictures and cameras, each by chance.

A model that is shown them always would need them always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from preprocess.io.bounds import check, within
from training.models.conditions import ConditionLayout, Part, of_rows, reference_condition
from training.models.rays import rays_condition
from training.run.module import Batch
from training.run.noise import SampleNoise

Encode = Callable[[torch.Tensor], torch.Tensor]
"""Pixels (B, 3, F, H, W) to latents (B, C, T, h, w)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """How often a sample is shown what goes with it, in the parts that the model has (`objective.told`)."""

    share: float = field(default=0.9, metadata=within("[0, 1]"))
    """Of the samples that have a control video."""
    reference_share: float = field(default=0.5, metadata=within("[0, 1]"))
    """Of the videos, which have one of their frames, by chance, as a reference picture."""
    rays_share: float = field(default=0.9, metadata=within("[0, 1]"))
    """Of the samples that have cameras."""

    def __post_init__(self) -> None:
        check(self, "control")


def drawn_parts(
    config: ControlConfig,
    layout: ConditionLayout,
    batch: Batch,
    noise: SampleNoise,
    clean: torch.Tensor,
    *,
    encode: Encode,
    stride: int,
) -> dict[Part, torch.Tensor]:
    """Control, reference and rays of a batch, as far as the model has channels for them and the batch has them.

    Args:
        config: in which shares.
        layout: the model's.
        batch: its pixels, or latents of a cache, beside which there is no reference.
        noise: each sample's own.
        clean: the batch's latents (B, C, T, h, w).
        encode: the autoencoder.
        stride: its pixels of a latent, along each side.
    """
    parts: dict[Part, torch.Tensor] = {}
    if "control" in layout.parts and batch.control is not None:
        videos, has_B = batch.control
        shown_B = has_B & (noise.uniform() < config.share)
        parts["control"] = of_rows(shown_B, torch.zeros_like(clean), lambda rows: encode(videos[rows]))
    if "reference" in layout.parts and not batch.latent and clean.shape[2] > 1:
        chances = noise.uniform(2)
        frames_B = (chances[:, 1] * batch.video.shape[2]).long()
        pictures = batch.video[torch.arange(len(frames_B), device=frames_B.device), :, frames_B, None]

        def referred(rows: torch.Tensor) -> torch.Tensor:
            return reference_condition(encode(pictures[rows]), clean.shape[2])

        parts["reference"] = of_rows(chances[:, 0] < config.reference_share, torch.zeros_like(clean), referred)
    if "rays" in layout.parts and batch.cameras is not None:
        cameras, has_B = batch.cameras
        shown_B = has_B & (noise.uniform() < config.rays_share)
        size = (clean.shape[2], clean.shape[3], clean.shape[4])
        pixels = (stride * size[1], stride * size[2])
        empty = clean.new_zeros(len(clean), layout.width("rays"), *size)
        parts["rays"] = of_rows(shown_B, empty, lambda rows: rays_condition(cameras[rows], pixels, size))
    return parts
