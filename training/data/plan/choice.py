"""Which bucket each clip goes to in an epoch: any of those it fits, with equal chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.plan.buckets import ASPECT_BINS, Bucket, aspect_bins
from training.data.plan.config import STILL_FRAMES, GridSampler, SamplerConfig
from training.data.plan.hashing import draw_unit
from training.data.plan.table import ClipTable

Rows = npt.NDArray[np.int64]
_CHUNK_ROWS = 1 << 15
"""Rows that are tried at a time: they and what is made of them stay in the processor's cache."""
SLOW_FPS = 0.9
"""Videos of less than this share of the training rate would show every frame twice; they serve as images."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """What decides which buckets a clip fits, (N,) each."""

    frames: npt.NDArray[np.int32]
    """Frames there are at the training rate; 1 for an image."""
    max_height: npt.NDArray[np.float32]
    max_width: npt.NDArray[np.float32]
    """Pixels to which it may be resampled."""
    aspect: npt.NDArray[np.int16]

    def fits(self, bucket: Bucket, rows: Rows | slice) -> npt.NDArray[np.bool_]:
        """Which of the rows are long and large enough for a bucket, and of an aspect that it has."""
        aspect = self.aspect[rows]
        frames = self.frames[rows]
        kind = frames >= bucket.frames if bucket.frames > STILL_FRAMES else frames == STILL_FRAMES
        inside: npt.NDArray[np.bool_] = (bucket.heights[aspect] <= self.max_height[rows]) & (
            bucket.widths[aspect] <= self.max_width[rows]
        )
        return kind & inside


def fit(table: ClipTable, sampler: GridSampler, seed: int, epoch: int) -> Fit:
    """Measure the clips against the sampler.

    The frames of a clip are what its duration gives at the training rate, which is time, not frame numbers. Videos too
    short or too slow for the sampler serve as images.
    """
    frames = np.minimum(frames_at_rate(table, sampler), sampler.max_frames).astype(np.int32)
    still = (frames < sampler.fewest_frames) | too_slow(table, sampler)
    still |= draw_unit(table.keys, "still", seed, epoch) < sampler.still_share
    return Fit(
        frames=np.where(still, STILL_FRAMES, frames).astype(np.int32),
        max_height=np.maximum(table.height, 0).astype(np.float32) * sampler.max_upscale,
        max_width=np.maximum(table.width, 0).astype(np.float32) * sampler.max_upscale,
        aspect=aspect_bins(table.height, table.width),
    )


def frames_at_rate(table: ClipTable, sampler: SamplerConfig) -> npt.NDArray[np.float64]:
    """(N,) whole frames that the clips' time gives at the training rate."""
    return np.asarray(np.floor(table.duration_seconds.astype(np.float64) * sampler.fps + 1e-4))


def too_slow(table: ClipTable, sampler: GridSampler) -> npt.NDArray[np.bool_]:
    """(N,) whether a clip has too few frames of its own to move, whatever its time."""
    slow: npt.NDArray[np.bool_] = table.num_frames < sampler.fewest_frames
    return slow | (table.fps < SLOW_FPS * sampler.fps)


def weights(table: ClipTable, sampler: SamplerConfig) -> npt.NDArray[np.float64]:
    """(N,) how often clips are to be shown, relative to each other; 0 is never."""
    kind = np.where(table.num_frames == 1, sampler.image_weight, sampler.video_weight)
    return np.asarray(kind * table.source_weight.astype(np.float64))


def aspect_counts(table: ClipTable) -> npt.NDArray[np.float64]:
    """(ASPECT_BINS,) how many clips have each aspect."""
    return np.bincount(aspect_bins(table.height, table.width), minlength=ASPECT_BINS).astype(np.float64)


def choose(
    measured: Fit, buckets: Sequence[Bucket], chance: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """The bucket of each clip and the most demanding bucket that it fits; -1 where it fits none.

    Args:
        measured: the clips.
        buckets: as `find_buckets` gives them.
        chance: (N,) in [0, 1), which decides.
    """
    chosen = np.full(len(chance), -1, np.int16)
    last = np.full(len(chance), -1, np.int16)
    for start in range(0, len(chance), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        able = np.stack([measured.fits(bucket, rows) for bucket in buckets])
        upto = np.cumsum(able, axis=0, dtype=np.int16)
        wanted = np.floor(chance[rows] * upto[-1]).astype(np.int16)
        some = upto[-1] > 0
        chosen[rows] = np.where(some, (upto > wanted).argmax(0), -1)
        last[rows] = np.where(some, len(buckets) - 1 - able[::-1].argmax(0), -1)
    return chosen, last
