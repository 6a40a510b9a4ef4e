"""The last clips of an epoch, too few for a step of any bucket.

A step that was already made is taken apart, and its clips with the last ones make one step of more samples a rank, in
smaller shapes. Where that cannot be, such as in a set too small for a whole step, a short step is made: for n clips and
W ranks, n // W samples a rank in shapes as large as the clips allow. Either way shapes have equal tokens, and if need
be an aspect farther from a clip's than otherwise. Fewer than W images and W videos remain; they are dropped, each epoch
others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.plan.buckets import Bucket, aspect_of_bin, bucket_of, cells_within, equal_sets
from training.data.plan.choice import Fit, Rows
from training.data.plan.config import STILL_FRAMES, GridSampler
from training.data.plan.hashing import Keys
from training.data.plan.packing import ByShape, Packing

_SMALLEST = 0.5
"""Area of the smallest shapes over that of the sampler's smallest side: aspects far from a source's need less of it."""
_FULL = 0.75
"""A step is taken apart for one that fills this share of the budget: better than a full one and one nearly empty."""
_CANDIDATES = 24
"""How many areas are tried; they are spread over the range."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step:
    """Batches that were found, and the rows they leave."""

    by_shape: ByShape
    left: Rows

    def tokens(self, sampler: GridSampler) -> int:
        """Of a rank, at most."""
        return max(len(batches[0]) * sampler.grid.tokens(shape) for shape, batches in self.by_shape)


def pack_remainder(packing: Packing, sampler: GridSampler, measured: Fit, rows: Rows, draws: Keys) -> Rows:
    """Make steps of the rows; gives back those that are dropped."""
    dropped = []
    still = measured.frames[rows] == STILL_FRAMES
    for kind in (rows[still], rows[~still]):
        left, before = kind, len(kind) + 1
        while packing.world_size <= len(left) < before:
            before = len(left)
            left = _next_step(packing, sampler, measured, left[np.argsort(draws[left], kind="stable")])
        dropped.append(left)
    return np.concatenate(dropped)


def _next_step(packing: Packing, sampler: GridSampler, measured: Fit, rows: Rows) -> Rows:
    """Make one step more, or one anew; the rows left over."""
    group = packing.last_group(_common_frames(sampler, measured, rows))
    if group is not None:
        step = _equal_step(sampler, measured, np.concatenate([rows, group.rows_of(-1)]), packing.world_size)
        if step and len(step.left) < len(rows) and step.tokens(sampler) > _FULL * sampler.budget_tokens:
            group.steps = group.steps[:-1]
            packing.add(step.by_shape)
            return step.left
    step = _equal_step(sampler, measured, rows, packing.world_size)
    if step is None:
        return rows
    packing.add(step.by_shape)
    return step.left


def _equal_step(sampler: GridSampler, measured: Fit, rows: Rows, world_size: int) -> _Step | None:
    """One step of as many of the rows as can be; the first ones where not all are needed. None where there is none."""
    frames = _common_frames(sampler, measured, rows)
    smallest = math.ceil(_SMALLEST * (sampler.min_side / sampler.grid.cell) ** 2) * sampler.grid.latent_frames(frames)
    most = min(len(rows) // world_size, sampler.budget_tokens // smallest)
    steps = []
    # Fewer samples may be larger, and there are more sizes to choose from.
    for samples in sorted({most * quarters // 4 for quarters in range(1, 5)} | {min(most, 1)}, reverse=True):
        step = _step_of(sampler, frames, measured, rows, samples, world_size) if samples else None
        if step and len(step.left) < world_size:
            return step
        steps += [step] if step else []
    return min(steps, key=lambda step: len(step.left), default=None)


def _step_of(sampler: GridSampler, frames: int, measured: Fit, rows: Rows, most: int, world_size: int) -> _Step | None:
    """A step of at most so many samples a rank, in shapes that they could have."""
    bucket = _family(sampler, frames, measured, rows, most)
    able = measured.fits(bucket, rows)
    fitting, other = rows[able], rows[~able]
    for samples in range(min(len(fitting) // world_size, most), 0, -1):
        needed = samples * world_size
        for count in sorted({needed, (needed + len(fitting)) // 2, len(fitting)}):  # fewer to choose from are fairer
            by_shape, unused = _batches(sampler, bucket, measured, fitting[:count], samples, world_size)
            if by_shape:
                return _Step(by_shape=by_shape, left=np.concatenate([unused, fitting[count:], other]))
    return None


def _batches(
    sampler: GridSampler, bucket: Bucket, measured: Fit, rows: Rows, samples: int, world_size: int
) -> tuple[ByShape, Rows]:
    """A batch for each rank, of neighbours in aspect, in the shape of the one in their middle; none if it cannot be."""
    rows = rows[np.argsort(measured.aspect[rows], kind="stable")]
    batches: dict[int, list[Rows]] = {}
    start = found = skipped = 0
    while found < world_size:
        batch = rows[start : start + samples]
        if skipped > len(rows) - samples * world_size:
            return [], rows
        shape = _common_shape(sampler, bucket, measured, batch)
        if shape is None:
            start, skipped = start + 1, skipped + 1
        else:
            batches.setdefault(shape, []).append(batch)
            start, found = start + samples, found + 1
    by_shape = [(bucket.shapes[shape], np.stack(those)) for shape, those in batches.items()]
    used = np.concatenate([those.ravel() for _, those in by_shape])
    return by_shape, np.setdiff1d(rows, used, assume_unique=True)


def _common_shape(sampler: GridSampler, bucket: Bucket, measured: Fit, batch: Rows) -> int | None:
    """The shape for the clip in the middle, where it does for all: not upscaled, and not cropped beyond measure."""
    middle = int(measured.aspect[batch[len(batch) // 2]])
    height, width = float(bucket.heights[middle]), float(bucket.widths[middle])
    small_enough = (measured.max_height[batch] >= height) & (measured.max_width[batch] >= width)
    if not small_enough.all():
        return None
    change = np.abs(aspect_of_bin(measured.aspect[batch]) - math.log(height / width))
    return int(bucket.by_aspect[middle]) if (change <= sampler.max_residue_aspect_change).all() else None


def _family(sampler: GridSampler, frames: int, measured: Fit, rows: Rows, samples: int) -> Bucket:
    """The shapes of equal tokens that suit the rows best: above all as many rows as can be, then little cropped away,
    where a quarter of the area is worth as much as half a picture."""
    scored = []
    for number, bucket in enumerate(_families(sampler, frames, samples)):
        able = measured.fits(bucket, rows)
        kept = float(able @ np.exp(-_aspect_change(bucket, measured, rows))) / len(rows)
        area = bucket.sample_area / sampler.max_side**2
        scored.append((10 * float(able.mean()) + kept * math.sqrt(area), -number, bucket))
    return max(scored, key=lambda each: each[:2])[2]


def _common_frames(sampler: GridSampler, measured: Fit, rows: Rows) -> int:
    """The most frames that all the rows have."""
    shortest = int(measured.frames[rows].min())
    return max(count for count in map(sampler.grid.frames, sampler.latent_frame_counts()) if count <= shortest)


def _families(sampler: GridSampler, frames: int, samples: int) -> list[Bucket]:
    """Buckets of equal area, which fit the budget `samples` times."""
    cell = sampler.grid.cell
    low = _SMALLEST * (sampler.min_side / cell) ** 2
    high = min((sampler.max_side / cell) ** 2, sampler.budget_tokens / (sampler.grid.latent_frames(frames) * samples))
    rows, columns = cells_within(low, high)
    sets = [equal for _, equal in equal_sets(rows * columns)]
    tried = sorted({round(index) for index in np.linspace(0, len(sets) - 1, min(_CANDIDATES, len(sets)))})
    change = sampler.max_residue_aspect_change
    return [
        bucket_of(sampler, frames, rows[sets[i]], columns[sets[i]], np.full(sets[i].sum(), samples), change)
        for i in tried
    ]


def _aspect_change(bucket: Bucket, measured: Fit, rows: Rows) -> npt.NDArray[np.float64]:
    """(N,) difference of log aspects between clips and their shapes; 0 for clips without one."""
    aspect = measured.aspect[rows]
    known = bucket.by_aspect[aspect] >= 0
    shapes = np.log(np.where(known, bucket.heights[aspect], 1) / np.where(known, bucket.widths[aspect], 1))
    return np.asarray(np.where(known, np.abs(shapes - aspect_of_bin(aspect)), 0.0), np.float64)
