"""Clips to batches, which fill a rank, and batches to steps, which have one for each rank.

Buckets are gone through from the least demanding to the most. Of each, as many whole steps are made as there are
batches for; clips left over move on to the next bucket that they fit. Those that could still move are left over first,
so nearly all that is left ends in the most demanding buckets, of which a rank takes one clip or two and hardly any
remain. What fits no later bucket stays for `remainder.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.data.plan.buckets import Bucket
from training.data.plan.choice import Fit, Rows
from training.data.plan.hashing import Keys, shuffled
from training.models.grid import Shape

Ints = npt.NDArray[np.int64]


ByShape = list[tuple[Shape, Rows]]
"""Batches by shape, (batches, samples) each."""


@dataclass(slots=True, kw_only=True)
class StepGroup:
    """Steps whose batches may be side by side."""

    by_shape: ByShape
    steps: Ints
    """(steps, world_size) numbers of batches, counted through `by_shape`."""

    def rows_of(self, step: int) -> Rows:
        """All clips of one step."""
        starts = np.cumsum([0, *(len(batches) for _, batches in self.by_shape)])
        mine = np.sort(self.steps[step])
        parts = [
            batches[mine[(mine >= start) & (mine < start + len(batches))] - start].ravel()
            for start, (_, batches) in zip(starts, self.by_shape, strict=False)
        ]
        return np.concatenate(parts)


@dataclass(slots=True, kw_only=True)
class Packing:
    """Steps as they are made."""

    world_size: int
    salt: tuple[int | str, ...]
    """What the order of batches within a group depends on."""
    groups: list[StepGroup] = field(default_factory=list)

    def add(self, by_shape: ByShape) -> None:
        """Make steps of batches that may be side by side; a whole number of steps."""
        made = sum(len(batches) for _, batches in by_shape)
        assert made % self.world_size == 0, f"{made} batches for {self.world_size} ranks"
        order = shuffled(made, *self.salt, "packs", len(self.groups))
        self.groups.append(StepGroup(by_shape=by_shape, steps=order.reshape(-1, self.world_size)))

    def last_group(self, frames: int) -> StepGroup | None:
        """The most demanding group with that many frames."""
        same = (each for each in reversed(self.groups) if len(each.steps) and each.by_shape[0][0].frames == frames)
        return next(same, None)


def pack_buckets(
    packing: Packing,
    buckets: Sequence[Bucket],
    measured: Fit,
    chosen: npt.NDArray[np.int16],
    last: npt.NDArray[np.int16],
    draws: Keys,
) -> Rows:
    """Make all whole steps; gives back the rows that are left over.

    Args:
        packing: takes the steps.
        buckets: as `find_buckets` gives them, from the least demanding.
        measured: the clips.
        chosen: (N,) the bucket of each clip; -1 for those that take no part.
        last: (N,) the most demanding bucket that it fits.
        draws: (N,) what decides who is left over.
    """
    by_bucket = np.argsort(chosen, kind="stable")
    starts = np.searchsorted(chosen[by_bucket], np.arange(len(buckets) + 1))
    moving, left = np.zeros(0, np.int64), [np.zeros(0, np.int64)]
    for index, bucket in enumerate(buckets):
        able = measured.fits(bucket, moving)
        rows = np.concatenate([by_bucket[starts[index] : starts[index + 1]], moving[able]])
        movable = last[rows] > index
        by_shape, unused = fill(bucket, rows, measured.aspect[rows], movable, draws[rows], packing.world_size)
        packing.add(by_shape)
        stays = last[unused] <= index
        left.append(unused[stays])
        moving = np.concatenate([moving[~able], unused[~stays]])
    assert not len(moving), "a clip passed the last bucket that it fits"
    return np.concatenate(left)


def fill(
    bucket: Bucket,
    rows: Rows,
    aspect: npt.NDArray[np.int16],
    movable: npt.NDArray[np.bool_],
    draws: Keys,
    world_size: int,
) -> tuple[ByShape, Rows]:
    """Batches of a bucket for as many whole steps as there are, and the rows left over, movable ones first."""
    shape_of = bucket.by_aspect[aspect]
    order = np.lexsort((draws, movable, shape_of))
    rows, samples = rows[order], np.array(bucket.samples)
    counts = np.bincount(shape_of, minlength=len(samples))
    free = np.bincount(shape_of, weights=movable, minlength=len(samples)).astype(np.int64)
    batches = whole_steps(counts // samples, (free - counts % samples) // samples, world_size)
    by_shape: ByShape = []
    unused, start = [np.zeros(0, np.int64)], 0
    for shape, count, each, number in zip(bucket.shapes, counts, samples, batches, strict=True):
        used = start + number * each
        if number:  # dealt out in turn, so that batches mix those who could move with those who could not
            by_shape.append((shape, rows[start:used].reshape(each, number).T))
        unused.append(rows[used : start + count])
        start += count
    return by_shape, np.concatenate(unused)


def whole_steps(batches: Ints, free: Ints, world_size: int) -> Ints:
    """How many batches of each shape to keep, so that they make whole steps: `free` ones go first, then any."""
    surplus = int(batches.sum()) % world_size
    for _ in range(2):
        spare = np.clip(free, 0, batches)
        cut = np.clip(surplus - (np.cumsum(spare) - spare), 0, spare)
        batches, surplus, free = batches - cut, surplus - int(cut.sum()), batches
    return batches
