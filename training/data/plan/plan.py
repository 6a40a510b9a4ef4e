"""The plan of an epoch: which clips, in which shape, on which rank, in which step. A pure function of its arguments.

Every rank makes the whole plan by itself and takes its own part: a million clips take seconds. No video is opened and
nothing is exchanged, so ranks cannot disagree, and a plan can be made again at any time, such as to resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.plan.buckets import AREA_BAND, find_buckets
from training.data.plan.choice import Rows, aspect_counts, choose, fit, weights
from training.data.plan.config import GridSampler
from training.data.plan.hashing import Keys, draw, draw_unit, shuffled
from training.data.plan.packing import Packing, pack_buckets
from training.data.plan.remainder import pack_remainder
from training.data.plan.table import ClipTable
from training.models.grid import Shape

Ints = npt.NDArray[np.int64]
DETAILED, SHORT = "caption", "caption_short"
"""Columns of the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankStep:
    """The B samples of one rank in one step."""

    epoch: int
    step: int
    """Within the plan."""
    batch: int
    """Which of the step's batches: the rank, unless ranks accumulate several."""
    rows: Rows
    """(B,) rows of the table."""
    shape: Shape
    tokens: int
    """Of one sample."""
    captions: tuple[str, ...]
    """The column of each sample's caption; "" where the clip has none."""
    seeds: Keys
    """(B,) what all else that is random about a sample comes from: its seed, epoch and clip."""
    starts: npt.NDArray[np.float64]
    """(B,) in [0, 1): where in the time that a clip has to spare the sample begins."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpochPlan:
    """Batches, and which rank has which in each step."""

    table: ClipTable
    sampler: GridSampler
    seed: int
    epoch: int
    rows: Rows
    """(samples,) rows of the table, batch by batch."""
    starts: Ints
    """(batches + 1,) where in `rows` each batch begins."""
    shapes: Sequence[Shape]
    shape_of: npt.NDArray[np.int32]
    """(batches,) which of the shapes."""
    steps: Ints
    """(num_steps, world_size) the batch of each rank."""
    dropped: Rows
    """Clips that were too few for a step."""
    unfit: Rows
    """Clips too small for the sampler's smallest shapes."""
    resting: int
    """Clips that a weight keeps out of this epoch."""

    @property
    def num_steps(self) -> int:
        """Steps of the plan; where it was made to resume, of what remains."""
        return len(self.steps)

    @property
    def world_size(self) -> int:
        """Ranks."""
        return int(self.steps.shape[1])

    def rank_step(self, step: int, rank: int) -> RankStep:
        """What a rank does in a step."""
        batch = self.steps[step, rank]
        rows = self.rows[self.starts[batch] : self.starts[batch + 1]]
        shape, keys = self.shapes[self.shape_of[batch]], self.table.keys[rows]
        drawn = self.sampler.drawn_epoch(self.epoch)
        return RankStep(
            epoch=self.epoch,
            step=step,
            batch=rank,
            rows=rows,
            shape=shape,
            tokens=self.sampler.grid.tokens(shape),
            captions=self._captions(rows),
            seeds=draw(keys, "sample", self.seed, drawn),
            starts=draw_unit(keys, "start", self.seed, drawn),
        )

    def step_tokens(self) -> Ints:
        """(num_steps, world_size) tokens of each rank."""
        one = np.array([self.sampler.grid.tokens(shape) for shape in self.shapes], np.int64)
        tokens: Ints = (np.diff(self.starts) * one[self.shape_of])[self.steps]
        return tokens

    def rows_until(self, step: int) -> Rows:
        """All rows of the steps before one, in no order that means anything."""
        batches = np.zeros(len(self.starts) - 1, np.bool_)
        batches[self.steps[:step].ravel()] = True
        return self.rows[np.repeat(batches, np.diff(self.starts))]

    def _captions(self, rows: Rows) -> tuple[str, ...]:
        detailed, short = self.table.has_caption[rows], self.table.has_short[rows]
        chance = draw_unit(self.table.keys[rows], "caption", self.seed, self.epoch)
        rather_short = short & (~detailed | (chance < self.sampler.short_caption_share))
        return tuple(np.where(rather_short, SHORT, np.where(detailed, DETAILED, "")).tolist())


def plan_epoch(
    table: ClipTable,
    sampler: GridSampler,
    *,
    seed: int,
    epoch: int,
    world_size: int,
    done: Sequence[tuple[int, int]] = (),
) -> EpochPlan:
    """Plan an epoch, or what remains of it.

    Each clip that a weight does not keep out is in exactly one batch, or in `dropped`, or in `unfit`.

    Args:
        table: the clips.
        sampler: shapes and weights.
        seed: of the run.
        epoch: counted from 0.
        world_size: ranks.
        done: what ran of this epoch at other world sizes, in order: (world size, steps done). The plan is for the clips
            that are left; those dropped by a plan that was not finished are among them.

    Raises:
        ValueError: the sampler has no shape that fits its budget, or `done` names more steps than there were.
    """
    if world_size < 1:
        raise ValueError(f"world_size is {world_size}, must be at least 1")
    open_rows = np.ones(len(table), np.bool_)
    for index, (earlier, steps) in enumerate(done):
        plan = _plan(table, sampler, seed, epoch, earlier, open_rows, index)
        if not 0 <= steps <= plan.num_steps:
            raise ValueError(f"{steps} steps done at world size {earlier}, where epoch {epoch} has {plan.num_steps}")
        open_rows[plan.rows_until(steps)] = False
    return _plan(table, sampler, seed, epoch, world_size, open_rows, len(done))


def _plan(
    table: ClipTable,
    sampler: GridSampler,
    seed: int,
    epoch: int,
    world_size: int,
    open_rows: npt.NDArray[np.bool_],
    part: int,
) -> EpochPlan:
    """Plan the rows that are open; `part` tells the plans of one epoch apart."""
    drawn = sampler.drawn_epoch(epoch)
    measured = fit(table, sampler, seed, drawn)
    buckets = find_buckets(sampler, aspect_counts(table))
    due = _due(table, sampler, seed, epoch)
    chosen, last = choose(measured, buckets, draw_unit(table.keys, "class", seed, drawn))
    draws = draw(table.keys, "lot", seed, drawn, part)
    taken = due & open_rows
    packing = Packing(world_size=world_size, salt=(seed, drawn, part))
    left = pack_buckets(packing, buckets, measured, np.where(taken, chosen, -1).astype(np.int16), last, draws)
    too_small = measured.max_height * measured.max_width < AREA_BAND[0] * sampler.min_side**2
    odd = np.flatnonzero(taken & (chosen < 0) & ~too_small)
    dropped = pack_remainder(packing, sampler, measured, np.concatenate([left, odd]), draws)
    unfit = np.flatnonzero(taken & (chosen < 0) & too_small)
    order = (seed, epoch, part, "steps")
    return _sealed(packing, table, sampler, seed, epoch, order, (dropped, unfit), int((~due).sum()))


def _due(table: ClipTable, sampler: GridSampler, seed: int, epoch: int) -> npt.NDArray[np.bool_]:
    """(N,) whether a clip is shown in this epoch: with half the largest weight, each clip in every second epoch."""
    weight = weights(table, sampler)
    share = weight / max(float(weight.max(initial=0.0)), np.finfo(np.float64).tiny)
    phase = draw_unit(table.keys, "due", seed)
    due: npt.NDArray[np.bool_] = np.floor(phase + share * (epoch + 1)) > np.floor(phase + share * epoch)
    return due


def _sealed(
    packing: Packing,
    table: ClipTable,
    sampler: GridSampler,
    seed: int,
    epoch: int,
    order: tuple[int | str, ...],
    lost: tuple[Rows, Rows],
    resting: int,
) -> EpochPlan:
    """The packing as arrays, its steps in the order that a salt decides."""
    by_shape = [pair for group in packing.groups for pair in group.by_shape]
    lengths = np.array([len(batches) for _, batches in by_shape], np.int64)
    sizes = np.repeat(np.array([batches.shape[1] for _, batches in by_shape], np.int64), lengths)
    rows = np.concatenate([np.zeros(0, np.int64), *(batches.ravel() for _, batches in by_shape)])
    firsts = np.cumsum([0, *(sum(len(batches) for _, batches in group.by_shape) for group in packing.groups)])
    parts = [group.steps + first for group, first in zip(packing.groups, firsts, strict=False)]
    steps = np.concatenate([np.zeros((0, packing.world_size), np.int64), *parts])
    used = np.zeros(len(sizes), np.bool_)  # batches of a step that was taken apart are not
    used[steps] = True
    return EpochPlan(
        table=table,
        sampler=sampler,
        seed=seed,
        epoch=epoch,
        rows=rows[np.repeat(used, sizes)],
        starts=np.concatenate([[0], np.cumsum(sizes[used])]),
        shapes=tuple(shape for shape, _ in by_shape),
        shape_of=np.repeat(np.arange(len(by_shape), dtype=np.int32), lengths)[used],
        steps=(np.cumsum(used) - 1)[steps[shuffled(len(steps), *order)]],
        dropped=lost[0],
        unfit=lost[1],
        resting=resting,
    )
