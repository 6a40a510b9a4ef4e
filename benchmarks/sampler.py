"""How evenly the sampler fills ranks, what it drops, and what planning an epoch costs.

    python -m benchmarks.sampler --rows 1000000 --world-size 64 [--budget 53248] [--image-share 0.1] [--epochs 1]

Rows are generated: durations of curated clips (3 to 10 s), sizes as uploads have them, a tenth of them images.
Utilisation is the mean over ranks of their tokens in a step over those of the fullest rank, so 1 is no waiting.
`tokens_per_step` counts all ranks; with 256 ranks and the default budget, EasyAnimate's paper (arXiv 2405.18991,
table 3) has 6.17 M without and 13.63 M with its method. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np

from training.data.plan.config import SamplerConfig
from training.data.plan.plan import EpochPlan, plan_epoch
from training.data.plan.table import ClipTable
from training.models.grid import TokenGrid

SIZES = (
    ((1920, 1080), 0.30),
    ((1280, 720), 0.30),
    ((3840, 2160), 0.06),
    ((1080, 1920), 0.08),
    ((720, 1280), 0.05),
    ((854, 480), 0.05),
    ((640, 480), 0.04),
    ((1440, 1080), 0.03),
    ((1080, 1080), 0.03),
    ((1920, 804), 0.04),
    ((640, 360), 0.02),
)
"""Width and height of videos with their shares."""
FPS = (24.0, 25.0, 30.0, 60.0)


def main(rows: int, world_size: int, budget: int, image_share: float, epochs: int) -> None:
    """Plan and print."""
    sampler = SamplerConfig(budget_tokens=budget).on(TokenGrid())
    table = generated(rows, image_share, seed=0)
    before = _peak_mb()
    for epoch in range(epochs):
        began = time.monotonic()
        plan = plan_epoch(table, sampler, seed=0, epoch=epoch, world_size=world_size)
        seconds = time.monotonic() - began
        figures = figures_of(plan, len(table))
        print(f"epoch {epoch}: {plan.num_steps} steps, {seconds:.1f} s, {figures}")
        _check_once(plan, len(table))
    print(f"{before} MB before planning; fullest step {plan.step_tokens().max() / budget:.4f} of the budget a rank")
    print(json.dumps({**figures, "plan_seconds": round(seconds, 2), "peak_rss_mb": _peak_mb()}))


def figures_of(plan: EpochPlan, rows: int) -> dict[str, float]:
    """What a plan is worth.

    Raises:
        ValueError: it has no step.
    """
    if not plan.num_steps:
        raise ValueError(f"{rows} rows make no step of {plan.world_size} ranks")
    tokens = plan.step_tokens()
    utilisation = tokens.mean(1) / tokens.max(1)
    return {
        "utilisation_min": round(float(utilisation.min()), 5),
        "utilisation_mean": round(float(utilisation.mean()), 5),
        "dropped_share": round((len(plan.dropped) + len(plan.unfit)) / rows, 6),
        "tokens_per_step": round(float(tokens.sum(1).mean())),
    }


def generated(rows: int, image_share: float, seed: int) -> ClipTable:
    """Columns of clips as a curated collection has them."""
    random = np.random.default_rng(seed)
    sizes = np.array([size for size, _ in SIZES])[random.choice(len(SIZES), rows, p=[share for _, share in SIZES])]
    image = random.random(rows) < image_share
    sides = np.exp(random.uniform(np.log(512), np.log(4000), rows))
    aspects = np.exp(np.clip(random.normal(0.1, 0.35, rows), -1.2, 1.2))  # of photographs: all there are
    pictures = np.stack([sides * np.sqrt(aspects), sides / np.sqrt(aspects)], 1)
    sizes = np.where(image[:, None], pictures, sizes).astype(np.int32)
    seconds = np.where(image, 0.04, np.clip(random.lognormal(1.65, 0.4, rows), 3.0, 10.0)).astype(np.float32)
    fps = random.choice(FPS, rows).astype(np.float32)
    return ClipTable(
        keys=random.integers(0, 2**64, rows, np.uint64),
        duration_seconds=seconds,
        fps=fps,
        num_frames=np.where(image, 1, seconds * fps).astype(np.int32),
        width=sizes[:, 0],
        height=sizes[:, 1],
        source_weight=np.ones(rows, np.float32),
        has_caption=np.ones(rows, np.bool_),
        has_short=random.random(rows) < 0.9,
    )


def _check_once(plan: EpochPlan, rows: int) -> None:
    seen = np.bincount(np.concatenate([plan.rows, plan.dropped, plan.unfit]), minlength=rows)
    batches = np.bincount(plan.steps.ravel(), minlength=len(plan.shape_of))
    if not (seen == 1).all() or not (batches == 1).all():
        raise RuntimeError(f"{int((seen != 1).sum())} clips and {int((batches != 1).sum())} batches are not there once")


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampler")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--world-size", type=int, default=64)
    parser.add_argument("--budget", type=int, default=SamplerConfig().budget_tokens, help="tokens of a rank in a step")
    parser.add_argument("--image-share", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    main(options.rows, options.world_size, options.budget, options.image_share, options.epochs)
