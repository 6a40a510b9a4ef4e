"""What of a manifest a run shows otherwise than its user may think, in a sentence each, for its start."""

from __future__ import annotations

from training.data.plan.choice import SLOW_FPS, frames_at_rate, too_slow
from training.data.plan.config import GridSampler
from training.data.plan.sampler import PlannedBatches
from training.data.plan.table import ClipTable

_FEW = 0.005
"""Share of the clips that no epoch shows, or not as videos, before it is told."""


def lost(planned: PlannedBatches) -> str | None:
    """What to say where many clips are in no step of an epoch."""
    plan = planned.plan(planned.state)
    unfit, dropped = len(plan.unfit), len(plan.dropped)
    always = unfit + (dropped if dropped >= 2 * plan.world_size else 0)  # fewer are others each epoch
    if not plan.num_steps or always <= _FEW * len(plan.table):
        return None
    return (
        f"{unfit + dropped} of {len(plan.table)} clips are in no step of the first epoch: {unfit} too small for the "
        f"sampler's shapes, {dropped} too few for a step, or of an aspect or length that none of them has"
    )


def stilled(table: ClipTable, sampler: GridSampler) -> str | None:
    """What to say where many videos are too short, or of too few frames, to be shown as more than one of them."""
    videos, fewest = table.num_frames > 1, sampler.fewest_frames
    if fewest > sampler.max_frames:
        return None  # nothing but images was asked for
    short = videos & (frames_at_rate(table, sampler) < fewest)
    slow = videos & ~short & too_slow(table, sampler)
    stilled = int((short | slow).sum())
    if stilled <= _FEW * int(videos.sum()):
        return None
    return (
        f"{stilled} of {videos.sum()} videos are trained on as single pictures: {short.sum()} shorter than {fewest} "
        f"frames at {sampler.fps:g} fps ({fewest / sampler.fps:.2f} s), {slow.sum()} of fewer than {fewest} frames or "
        f"{SLOW_FPS * sampler.fps:g} fps. A lower data.sampler.min_frames or data.sampler.fps shows more as videos"
    )
