"""Which shapes there are: for each number of frames and each area, the sizes whose samples fill the budget exactly.

Few sizes divide a budget: three samples of 49 frames of 432x768 take 50,544 of 53,248 tokens and waste 5 %. The search
goes through every (height, width) of about the area wanted, packs as many samples of it as fit, and sees what share of
the budget they fill. A bucket is a set of such sizes, one or more for each aspect, that fill the same share to within
SPREAD: ranks may draw different aspects of a bucket in one step and still have equal work. Of all shares, a bucket
takes the one of the best `coverage * share ** STRICTNESS`, where coverage is the part of the clips whose aspect there
is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.data.plan.config import GridSampler
from training.models.grid import Shape

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SPREAD = 0.0015
"""How much less than the fullest a shape of the same bucket may fill. With 0.005 the mean fill is 99.5 %."""
STRICTNESS = 400
"""To fill 0.1 % more is worth a third of the clips: they have other buckets to go to."""
GOOD_ENOUGH = 0.7
"""Buckets that score less than this share of the best one with as many frames are not used."""
UNCOVERED = 0.01
"""Share of the clips that need not have a bucket with as many frames."""
AREA_BAND = (0.75, 1.1)
"""Area of a shape over the nominal one."""
ASPECT_STEP = 0.02
ASPECT_BINS = 141
"""Aspects are told apart by log(height / width) in steps of 2 %, up to 4:1."""
_WIDEST = ASPECT_STEP * (ASPECT_BINS // 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bucket:
    """Shapes that ranks may have side by side in a step: same frames, about the same area, equal tokens in all."""

    frames: int
    shapes: tuple[Shape, ...]
    samples: tuple[int, ...]
    """How many samples of each shape fill a rank."""
    by_aspect: npt.NDArray[np.int16]
    """(ASPECT_BINS,) The shape for a clip of that aspect; -1 for none."""
    heights: npt.NDArray[np.float32]
    widths: npt.NDArray[np.float32]
    """(ASPECT_BINS,) Size of that shape in pixels; infinite for none."""

    @property
    def sample_area(self) -> float:
        """Mean pixels of a frame."""
        return sum(shape.height * shape.width for shape in self.shapes) / len(self.shapes)


def aspect_bins(height: npt.NDArray[np.int32], width: npt.NDArray[np.int32]) -> npt.NDArray[np.int16]:
    """(N,) The bin of each clip's aspect; the outermost also hold what is beyond."""
    logs = np.log(np.maximum(height, 1).astype(np.float32) / np.maximum(width, 1).astype(np.float32))
    bins = np.clip(np.rint(logs / ASPECT_STEP) + ASPECT_BINS // 2, 0, ASPECT_BINS - 1)
    return np.asarray(bins, np.int16)


def aspect_of_bin(bins: npt.NDArray[Any]) -> Floats:
    """log(height / width) in the middle of each bin."""
    return np.asarray((bins.astype(np.float64) - ASPECT_BINS // 2) * ASPECT_STEP)


def find_buckets(sampler: GridSampler, aspects: Floats) -> list[Bucket]:
    """The buckets from the least to the most demanding: images first, then by tokens of a sample.

    Args:
        sampler: what shapes may be.
        aspects: (ASPECT_BINS,) how many clips there are of each aspect.

    Raises:
        ValueError: not one sample fits the budget.
    """
    found: list[Bucket] = []
    for latent_frames in sampler.latent_frame_counts():
        found += _buckets_of(sampler, latent_frames, aspects)
    if not found:
        raise ValueError(
            f"budget_tokens {sampler.budget_tokens}: no sample of {sampler.min_frames} frames fits, nor an image, "
            f"of about {sampler.min_side}x{sampler.min_side} pixels"
        )
    return sorted(
        found, key=lambda bucket: (bucket.frames > 1, bucket.sample_area * sampler.grid.latent_frames(bucket.frames))
    )


def cells_within(low: float, high: float) -> tuple[Ints, Ints]:
    """All (rows, columns) of tokens with low <= rows * columns <= high, no longer than 4:1."""
    longest = max(int(math.sqrt(high * math.exp(_WIDEST))), 1)
    rows, columns = (grid.ravel() for grid in np.meshgrid(*[np.arange(1, longest + 1)] * 2, indexing="ij"))
    cells = rows * columns
    inside = (cells >= low) & (cells <= high) & (np.abs(np.log(rows / columns)) <= _WIDEST + ASPECT_STEP / 2)
    return rows[inside], columns[inside]


def bucket_of(sampler: GridSampler, frames: int, rows: Ints, columns: Ints, samples: Ints, change: float) -> Bucket:
    """A bucket of shapes given in tokens; clips go to the nearest, at most `change` from their log aspect."""
    cell = sampler.grid.cell
    away = np.abs(np.log(rows / columns)[None] - aspect_of_bin(np.arange(ASPECT_BINS))[:, None])
    nearest = away.argmin(1)
    by_aspect = np.where(away.min(1) <= change, nearest, -1).astype(np.int16)
    return Bucket(
        frames=frames,
        shapes=tuple(Shape(frames, int(h) * cell, int(w) * cell) for h, w in zip(rows, columns, strict=True)),
        samples=tuple(int(count) for count in samples),
        by_aspect=by_aspect,
        heights=np.where(by_aspect >= 0, rows[nearest] * cell, np.inf).astype(np.float32),
        widths=np.where(by_aspect >= 0, columns[nearest] * cell, np.inf).astype(np.float32),
    )


def equal_sets(tokens: Ints) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """For each number of tokens, which others are the same to within SPREAD."""
    for fullest in np.unique(tokens)[::-1]:
        yield int(fullest), (tokens <= fullest) & (tokens >= fullest * (1 - SPREAD))


def _buckets_of(sampler: GridSampler, latent_frames: int, aspects: Floats) -> list[Bucket]:
    """The good buckets of so many frames, and what it takes for clips of other aspects to have one as well."""
    scored = _scored(sampler, latent_frames, aspects)
    best = max((score for score, _ in scored), default=0.0)
    found = [bucket for score, bucket in scored if score >= GOOD_ENOUGH * best]
    while True:
        others = aspects * np.all([bucket.by_aspect < 0 for bucket in found], axis=0)
        if not found or others.sum() <= UNCOVERED * aspects.sum():
            return found
        _, bucket = max(_scored(sampler, latent_frames, others), key=lambda pair: pair[0])
        if not others @ (bucket.by_aspect >= 0):
            return found
        found.append(bucket)


def _scored(sampler: GridSampler, latent_frames: int, aspects: Floats) -> list[tuple[float, Bucket]]:
    """The best bucket of each area."""
    return [bucket for side in sampler.side_ladder() if (bucket := _best_bucket(sampler, latent_frames, side, aspects))]


def _best_bucket(sampler: GridSampler, latent_frames: int, side: float, aspects: Floats) -> tuple[float, Bucket] | None:
    """The bucket of about side x side pixels that fills best, with its score."""
    nominal = (side / sampler.grid.cell) ** 2
    low, high = (nominal * share for share in AREA_BAND)
    rows, columns = cells_within(low, min(high, sampler.budget_tokens / latent_frames))
    if not len(rows):
        return None
    samples = sampler.budget_tokens // (latent_frames * rows * columns)
    tokens = samples * latent_frames * rows * columns
    near = (
        np.abs(np.log(rows / columns)[None] - aspect_of_bin(np.arange(ASPECT_BINS))[:, None])
        <= sampler.max_aspect_change
    )
    best: tuple[float, npt.NDArray[np.bool_]] | None = None
    for fullest, equal in equal_sets(tokens):
        fill = (fullest / sampler.budget_tokens) ** STRICTNESS
        if best is not None and fill <= best[0]:
            break  # the sets come fullest first, and no coverage is more than all
        score = fill * float(aspects @ near[:, equal].any(1)) / max(float(aspects.sum()), 1.0)
        if best is None or score > best[0]:
            best = (score, equal)
    if best is None:
        return None
    score, equal = best
    frames = sampler.grid.frames(latent_frames)
    change = sampler.max_aspect_change
    return score, bucket_of(sampler, frames, rows[equal], columns[equal], samples[equal], change)
