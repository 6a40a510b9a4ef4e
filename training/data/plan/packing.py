"""Clips to packs, which fill a rank, and packs to steps, which have one for each rank.

Classes are gone through from the least demanding to the most. Of each, as many whole steps are made as there are packs
for; clips left over move on to the next class that they fit. Those that could still move are left over first, so nearly
all that is left ends in the most demanding classes, of which a rank takes one clip or two and hardly any remain. What
fits no later class stays for `residue.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.data.plan.buckets import ShapeClass
from training.data.plan.choice import Fit, Rows
from training.data.plan.hashing import Keys, shuffled
from training.models.grid import Shape

Ints = npt.NDArray[np.int64]


Batches = list[tuple[Shape, Rows]]
"""Packs by shape, (packs, samples) each."""


@dataclass(slots=True, kw_only=True)
class StepGroup:
    """Steps whose packs may be side by side."""

    batches: Batches
    steps: Ints
    """(steps, world_size) numbers of packs, counted through the batches."""

    def rows_of(self, step: int) -> Rows:
        """All clips of one step."""
        starts = np.cumsum([0, *(len(packs) for _, packs in self.batches)])
        mine = np.sort(self.steps[step])
        parts = [
            packs[mine[(mine >= start) & (mine < start + len(packs))] - start].ravel()
            for start, (_, packs) in zip(starts, self.batches, strict=False)
        ]
        return np.concatenate(parts)


@dataclass(slots=True, kw_only=True)
class Packing:
    """Steps as they are made."""

    world_size: int
    salt: tuple[int | str, ...]
    """What the order of packs within a group depends on."""
    groups: list[StepGroup] = field(default_factory=list)

    def add(self, batches: Batches) -> None:
        """Make steps of packs that may be side by side; a whole number of steps."""
        made = sum(len(packs) for _, packs in batches)
        assert made % self.world_size == 0, f"{made} packs for {self.world_size} ranks"
        order = shuffled(made, *self.salt, "packs", len(self.groups))
        self.groups.append(StepGroup(batches=batches, steps=order.reshape(-1, self.world_size)))

    def last_group(self, frames: int) -> StepGroup | None:
        """The most demanding group with that many frames."""
        found = (one for one in reversed(self.groups) if len(one.steps) and one.batches[0][0].frames == frames)
        return next(found, None)


def pack_classes(
    packing: Packing,
    classes: Sequence[ShapeClass],
    measured: Fit,
    chosen: npt.NDArray[np.int16],
    last: npt.NDArray[np.int16],
    lots: Keys,
) -> Rows:
    """Make all whole steps; gives back the rows that are left over.

    Args:
        packing: takes the steps.
        classes: as `shape_classes` gives them, from the least demanding.
        measured: the clips.
        chosen: (N,) the class of each clip; -1 for those that take no part.
        last: (N,) the most demanding class that it fits.
        lots: (N,) what decides who is left over.
    """
    by_class = np.argsort(chosen, kind="stable")
    starts = np.searchsorted(chosen[by_class], np.arange(len(classes) + 1))
    moving, left = np.zeros(0, np.int64), [np.zeros(0, np.int64)]
    for index, one in enumerate(classes):
        able = measured.fits(one, moving)
        rows = np.concatenate([by_class[starts[index] : starts[index + 1]], moving[able]])
        movable = last[rows] > index
        batches, unused = fill(one, rows, measured.aspect[rows], movable, lots[rows], packing.world_size)
        packing.add(batches)
        stays = last[unused] <= index
        left.append(unused[stays])
        moving = np.concatenate([moving[~able], unused[~stays]])
    assert not len(moving), "a clip passed the last class that it fits"
    return np.concatenate(left)


def fill(
    one: ShapeClass,
    rows: Rows,
    aspect: npt.NDArray[np.int16],
    movable: npt.NDArray[np.bool_],
    lots: Keys,
    world_size: int,
) -> tuple[Batches, Rows]:
    """Packs of a class for as many whole steps as there are, and the rows left over, movable ones first."""
    shape_of = one.by_aspect[aspect]
    order = np.lexsort((lots, movable, shape_of))
    rows, samples = rows[order], np.array(one.samples)
    counts = np.bincount(shape_of, minlength=len(samples))
    free = np.bincount(shape_of, weights=movable, minlength=len(samples)).astype(np.int64)
    packs = whole_steps(counts // samples, (free - counts % samples) // samples, world_size)
    batches: Batches = []
    unused, start = [np.zeros(0, np.int64)], 0
    for shape, count, each, number in zip(one.shapes, counts, samples, packs, strict=True):
        used = start + number * each
        if number:  # dealt out in turn, so that packs mix those who could move with those who could not
            batches.append((shape, rows[start:used].reshape(each, number).T))
        unused.append(rows[used : start + count])
        start += count
    return batches, np.concatenate(unused)


def whole_steps(packs: Ints, free: Ints, world_size: int) -> Ints:
    """How many packs of each shape to keep, so that they make whole steps: `free` ones go first, then any."""
    surplus = int(packs.sum()) % world_size
    for _ in range(2):
        spare = np.clip(free, 0, packs)
        cut = np.clip(surplus - (np.cumsum(spare) - spare), 0, spare)
        packs, surplus, free = packs - cut, surplus - int(cut.sum()), packs
    return packs
