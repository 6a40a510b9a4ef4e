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
    """`workers` copies of one stage, each booking `cpus` and `gpus`; up to `most` where nodes join later."""

    stage: Stage
    workers: int
    most: int
    cpus: float
    gpus: float


def fuse(stages: Sequence[Stage], *, on_gpu: bool) -> list[Stage]:
    """Neighbours that neither get a GPU nor stand apart become one stage, so that frames never travel."""
    fused: list[Stage] = []
    for alone, group in groupby(stages, key=lambda stage: stage.apart or (on_gpu and stage.gpus > 0)):
        run = list(group)
        fused.extend(run if alone or len(run) == 1 else [Chain(run)])
    return fused


def plan_pools(
    stages: Sequence[Stage], *, cpus: float, gpus: float, items: int, workers: int | None = None, grows: bool = False
) -> list[Pool]:
    """Fuse the stages and size a pool for each: one worker each, and what is left to the first that decodes.

    Where the cluster `grows`, pools on CPUs take the cores of nodes that join in the middle, too.

    Where there is no GPU at all, stages that ask for one run on CPUs, fused with their neighbours.

    Raises:
        ValueError: one worker of each stage is more than the machine or cluster has, or `workers` is not positive.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"{workers} workers asked for, at least 1 is needed")
    steps = fuse(stages, on_gpu=gpus > 0)
    shares = [stage.gpus if gpus > 0 else 0.0 for stage in steps]
    cpus_needed = sum(stage.cpus for stage in steps)
    if cpus_needed > cpus or sum(shares) > gpus:
        listing = ", ".join(
            f"{stage.name} {stage.cpus:g} CPUs {share:g} GPUs" for stage, share in zip(steps, shares, strict=True)
        )
        raise ValueError(
            f"this plan cannot run: its stages need {cpus_needed:g} CPUs and {sum(shares):g} GPUs at once ({listing}), "
            f"and there are {cpus:g} CPUs and {gpus:g} GPUs"
        )
    counts = _counts(steps, shares, cpus - cpus_needed, gpus)
    at_most = [
        1 if stage.apart else min(count, max(1, items), workers or count)
        for stage, count in zip(steps, counts, strict=True)
    ]
    return [
        Pool(
            stage=stage,
            workers=number,
            most=number if stage.apart or share > 0 or not grows else max(number, min(items, workers or items)),
            cpus=stage.cpus * (1 - RESERVED_SHARE),
            gpus=share,
        )
        for stage, share, number in zip(steps, shares, at_most, strict=True)
    ]


def _counts(stages: Sequence[Stage], shares: Sequence[float], spare_cpus: float, gpus: float) -> list[int]:
    """Workers of each stage: those on GPUs first, since they cost most, then the CPU pools in order."""
    counts = [1] * len(stages)
    # of all stages with GPUs together, so that none waits for another; two of one on a GPU hide each other's copying
    replicas = math.floor(min(gpus / sum(shares), 2 * gpus)) if sum(shares) > 0 else 0
    for index in sorted(range(len(stages)), key=lambda index: shares[index] == 0):
        stage, share = stages[index], shares[index]
        if stage.apart:
            continue
        # a GPU without enough cores that decode for it waits, so its stages leave half of the spare ones
        usable_cpus = spare_cpus / 2 if share > 0 else spare_cpus
        limits = [math.floor(usable_cpus / stage.cpus)] if stage.cpus > 0 else []
        if share > 0:
            limits.append(replicas - 1)
        extra = max(0, min(limits, default=0))
        counts[index] += extra
        spare_cpus -= extra * stage.cpus
    return counts
