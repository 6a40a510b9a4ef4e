"""How many workers each pool gets: a pure function of what there is, which refuses what could never run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cluster.stage import Chain, Stage

RESERVED_SHARE = 0.1
"""Share of each worker's CPUs that it does not book: a pool that books every CPU starves the tasks that feed it, and
the run hangs for ever (seen with Ray 2.60 on 2 CPUs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """`workers` copies of one stage, each booking `cpus` and `gpus`."""

    stage: Stage
    workers: int
    cpus: float
    gpus: float


def fuse(stages: Sequence[Stage]) -> list[Stage]:
    """Neighbours that need no GPU become one stage, so that frames never travel between processes."""
    fused: list[Stage] = []
    for on_gpu, group in groupby(stages, key=lambda stage: stage.gpus > 0):
        run = list(group)
        fused.extend(run if on_gpu or len(run) == 1 else [_chain(run)])
    return fused


def _chain(stages: Sequence[Stage]) -> Chain:
    chain = Chain(stages)
    # what runs back to back needs as much as its hungriest member
    chain.cpus = max(stage.cpus for stage in stages)  # type: ignore[misc]
    return chain


def plan_pools(
    stages: Sequence[Stage], *, cpus: float, gpus: float, items: int, workers: int | None = None
) -> list[Pool]:
    """Size a pool for each stage: one worker each, and what is left to the first pool on CPUs, which decodes.

    Raises:
        ValueError: one worker of each stage is more than the machine or cluster has, or `workers` is not positive.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"{workers} workers asked for, at least 1 is needed")
    cpus_needed = sum(stage.cpus for stage in stages)
    gpus_needed = sum(stage.gpus for stage in stages)
    if cpus_needed > cpus or gpus_needed > gpus:
        raise ValueError(
            f"this plan cannot run: {len(stages)} stages need {cpus_needed:g} CPUs and {gpus_needed:g} GPUs at once, "
            f"and there are {cpus:g} CPUs and {gpus:g} GPUs"
        )
    counts = _counts(stages, cpus - cpus_needed, gpus)
    return [
        Pool(
            stage=stage,
            workers=min(count, max(1, items), workers or count),
            cpus=stage.cpus * (1 - RESERVED_SHARE),
            gpus=stage.gpus,
        )
        for stage, count in zip(stages, counts, strict=True)
    ]


def _counts(stages: Sequence[Stage], spare_cpus: float, gpus: float) -> list[int]:
    """Workers of each stage: GPUs are filled first, since they cost most, then the CPU pools in order."""
    counts = [1] * len(stages)
    on_gpu = sum(stage.gpus > 0 for stage in stages)
    for index in sorted(range(len(stages)), key=lambda index: stages[index].gpus == 0):
        stage = stages[index]
        limits = [math.floor(spare_cpus / stage.cpus)] if stage.cpus > 0 else []
        if stage.gpus > 0:
            limits.append(math.floor(gpus / on_gpu / stage.gpus) - 1)
        extra = max(0, min(limits, default=0))
        counts[index] += extra
        spare_cpus -= extra * stage.cpus
    return counts
