"""What training shows a transformer beside the text, each by chance: what is known of a video, control videos,
reference pictures and cameras. A model that is shown them always would need them always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from preprocess.io.bounds import check, within
from training.models.conditions import ConditionLayout, Part, of_rows, reference_condition
from training.models.rays import rays_condition
from training.objectives.masks import MaskConfig, drawn_masks, mask_condition, noise_on_known
from training.objectives.text_to_video import first_frame_condition
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


def drawn_known(
    masks: MaskConfig,
    first_frame_share: float,
    batch: Batch,
    noise: SampleNoise,
    clean: torch.Tensor,
    *,
    chance_B: torch.Tensor,
    encode: Encode,
) -> torch.Tensor:
    """(B, 1 + C, T, h, w): the first frame, or what a mask leaves, or nothing, by each sample's chance in [0, 1).

    Raises:
        ValueError: there are masks, and no pixels for them.
    """
    known_B = chance_B < first_frame_share
    masked_B = (chance_B >= first_frame_share) & (chance_B < first_frame_share + masks.share)
    if clean.shape[2] == 1:  # an image of which everything is known would leave nothing to learn
        known_B = torch.zeros_like(known_B)
    condition = first_frame_condition(clean[:, :, :1], clean.shape[2], known_B)
    if not masks.share:
        return condition
    if batch.latent:
        raise ValueError("masks.share is set: what they leave is encoded from pixels, so data.cache must be empty")
    video = batch.video
    given = noise_on_known(video, noise) if masks.noise else video
    known = drawn_masks(masks, noise, (video.shape[2], video.shape[3], video.shape[4]))

    def masked(rows: torch.Tensor) -> torch.Tensor:
        return mask_condition(given[rows], known[rows], encode, level=masks.level)

    return of_rows(masked_B, condition, masked)


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
