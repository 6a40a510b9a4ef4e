from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sampler import generated
from training.data.plan.config import SamplerConfig
from training.data.plan.plan import DETAILED, SHORT, EpochPlan, plan_epoch
from training.data.plan.table import ClipTable
from training.models.grid import TokenGrid

ROOT = Path(__file__).resolve().parents[4]
TINY = SamplerConfig(budget_tokens=1_280, min_side=64, max_side=128, sides=3, min_frames=9, max_frames=17).on(
    TokenGrid()
)
CASES = [
    (1, 2_000, 1, SamplerConfig().on(TokenGrid())),
    (2, 5_000, 8, SamplerConfig().on(TokenGrid())),
    (3, 20_000, 64, SamplerConfig().on(TokenGrid())),
    (4, 700, 2, SamplerConfig().on(TokenGrid())),
    (5, 3_000, 16, SamplerConfig(still_share=0.3).on(TokenGrid())),
    (6, 1_500, 4, TINY),
    (7, 40, 2, TINY),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[1]} clips, {case[2]} ranks")
def plan(request: pytest.FixtureRequest) -> EpochPlan:
    seed, rows, world_size, sampler = request.param
    return plan_epoch(generated(rows, 0.1, seed), sampler, seed=seed, epoch=0, world_size=world_size)


def seen(plan: EpochPlan) -> np.ndarray:
    """Rows as the ranks get them, one by one."""
    steps = [plan.rank_step(step, rank) for step in range(plan.num_steps) for rank in range(plan.world_size)]
    return np.concatenate([np.zeros(0, np.int64), *(step.rows for step in steps)])


def story(plan: EpochPlan) -> list[tuple[int, ...]]:
    """Which clips, by key, are where, in which shape."""
    told = []
    for step in range(plan.num_steps):
        for rank in range(plan.world_size):
            one = plan.rank_step(step, rank)
            keys = plan.table.keys[one.rows].tolist()
            told.append((*keys, one.shape.frames, one.shape.height, one.shape.width, *one.seeds.tolist()))
    return told


def test_every_clip_is_there_once(plan: EpochPlan) -> None:
    everyone = np.concatenate([seen(plan), plan.dropped, plan.unfit])
    assert (np.bincount(everyone, minlength=len(plan.table)) == 1).all()
    assert plan.num_steps > 0


def test_ranks_have_equal_work_within_the_budget(plan: EpochPlan) -> None:
    tokens = plan.step_tokens()
    assert tokens.max() <= plan.sampler.budget_tokens
    assert (tokens.min(1) >= 0.99 * tokens.max(1)).all()
    for step in range(plan.num_steps):
        ranks = [plan.rank_step(step, rank) for rank in range(plan.world_size)]
        assert [one.tokens * len(one.rows) for one in ranks] == tokens[step].tolist()
        assert len({one.shape.frames for one in ranks}) == 1


def test_fewer_clips_are_dropped_than_there_are_ranks(plan: EpochPlan) -> None:
    still = plan.table.num_frames[plan.dropped] == 1
    if plan.sampler.still_share == 0:
        assert still.sum() < plan.world_size
        assert (~still).sum() < plan.world_size
    assert len(plan.dropped) < 2 * plan.world_size
    assert not len(plan.unfit)


def test_samples_are_no_longer_larger_or_otherwise_formed_than_their_clips(plan: EpochPlan) -> None:
    table, sampler = plan.table, plan.sampler
    far = 0
    for step in range(plan.num_steps):
        for rank in range(plan.world_size):
            one = plan.rank_step(step, rank)
            assert (one.shape.frames - 1) % 4 == 0
            if one.shape.frames > 1:
                assert (table.duration_seconds[one.rows] * sampler.fps >= one.shape.frames - 1e-3).all()
            assert (table.height[one.rows] * sampler.max_upscale >= one.shape.height).all()
            assert (table.width[one.rows] * sampler.max_upscale >= one.shape.width).all()
            change = np.log(table.height[one.rows] / table.width[one.rows] / (one.shape.height / one.shape.width))
            assert np.abs(change).max() <= sampler.max_residue_aspect_change + 0.02  # a bin is 0.02 wide
            far += int((np.abs(change) > sampler.max_aspect_change + 0.02).sum())
    assert far <= 2 * 280 * plan.world_size  # a step or two of the smallest images


def test_samples_of_a_pack_are_distinct(plan: EpochPlan) -> None:
    for step in range(plan.num_steps):
        one = plan.rank_step(step, 0)
        assert len(set(one.rows.tolist())) == len(set(one.seeds.tolist())) == len(one.rows)


def test_most_steps_fill_the_budget_and_are_shared_by_several_samples() -> None:
    plan = plan_epoch(generated(50_000, 0.1, 0), SamplerConfig().on(TokenGrid()), seed=0, epoch=0, world_size=16)
    fill = plan.step_tokens().mean(1) / plan.sampler.budget_tokens
    assert fill.mean() > 0.995
    samples = [len(plan.rank_step(step, 0).rows) for step in range(plan.num_steps)]
    assert min(samples) == 1
    assert max(samples) > 16


def test_plans_are_equal_in_another_process() -> None:
    code = (
        "import numpy as np; np.random.seed(7); from tests.training.data.plan.test_plan import *;"
        "sampler = SamplerConfig().on(TokenGrid());"
        "plan = plan_epoch(generated(3000, 0.1, 9), sampler, seed=5, epoch=2, world_size=4);"
        "import hashlib; print(hashlib.sha256(repr(story(plan)).encode()).hexdigest())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout != b""


def test_plans_do_not_depend_on_the_order_of_clips() -> None:
    table = generated(3_000, 0.1, 9)
    order = np.random.default_rng(0).permutation(len(table))
    plans = [plan_epoch(one, TINY, seed=5, epoch=2, world_size=4) for one in (table, table.take(order))]
    assert story(plans[0]) == story(plans[1])
    assert table.fingerprint != table.take(order).fingerprint


def test_planning_needs_no_torch() -> None:
    code = "import sys, training.data.plan.sampler; assert not {'torch', 'ray', 'av'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("other", [{"seed": 6}, {"epoch": 3}])
def test_another_seed_or_epoch_is_another_plan(other: dict[str, int]) -> None:
    table = generated(3_000, 0.1, 9)
    settings = {"seed": 5, "epoch": 2}
    plans = [
        plan_epoch(table, SamplerConfig().on(TokenGrid()), world_size=64, **(settings | more)) for more in ({}, other)
    ]
    assert not set(story(plans[0])) & set(story(plans[1]))
    dropped = [set(one.dropped.tolist()) for one in plans]
    assert len(dropped[0] & dropped[1]) < 0.5 * max(map(len, dropped))


def test_distinct_epochs_come_again_in_another_order() -> None:
    table = generated(3_000, 0.1, 9)
    sampler = dataclasses.replace(TINY, distinct_epochs=2, still_share=0.2)
    plans = [plan_epoch(table, sampler, seed=5, epoch=epoch, world_size=4) for epoch in range(4)]
    stories = [story(plan) for plan in plans]
    assert stories[0] != stories[2]
    assert sorted(stories[0]) == sorted(stories[2])
    assert sorted(stories[1]) == sorted(stories[3]) != sorted(stories[0])
    whole = plan_epoch(table, dataclasses.replace(sampler, distinct_epochs=0), seed=5, epoch=1, world_size=4)
    assert stories[1] == story(whole)


@pytest.mark.parametrize("sizes", [(8, 4), (4, 8), (2, 16, 5), (16, 16)])
def test_an_epoch_that_goes_on_at_other_world_sizes_shows_each_clip_once(sizes: tuple[int, ...]) -> None:
    table = generated(3_000, 0.1, 3)
    shown: list[np.ndarray] = []
    done: list[tuple[int, int]] = []
    for size in sizes:
        plan = plan_epoch(table, SamplerConfig().on(TokenGrid()), seed=1, epoch=4, world_size=size, done=done)
        steps = plan.num_steps if size == sizes[-1] and len(done) == len(sizes) - 1 else plan.num_steps // 3
        ranks = [plan.rank_step(step, rank).rows for step in range(steps) for rank in range(size)]
        shown += ranks
        done.append((size, steps))
    everyone = np.concatenate([*shown, plan.dropped, plan.unfit])
    assert (np.bincount(everyone, minlength=len(table)) == 1).all()
    assert len(plan.dropped) < 2 * sizes[-1]


def test_more_steps_done_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="999 steps done at world size 2"):
        plan_epoch(generated(100, 0.1, 3), TINY, seed=1, epoch=4, world_size=4, done=[(2, 999)])


def test_weights_decide_how_often_clips_are_shown() -> None:
    table = generated(4_000, 0.5, 3)
    weight = np.where(np.arange(len(table)) % 2, 1.0, 0.25).astype(np.float32)
    table = dataclasses.replace(table, source_weight=weight)
    sampler = dataclasses.replace(TINY, image_weight=0.5)
    times = np.zeros(len(table), np.int64)
    for epoch in range(8):
        plan = plan_epoch(table, sampler, seed=1, epoch=epoch, world_size=2)
        times += np.bincount(np.concatenate([plan.rows, plan.dropped]), minlength=len(table))
        assert plan.resting == len(table) - len(plan.rows) - len(plan.dropped)
    image = table.num_frames == 1
    assert (times[~image & (weight == 1)] == 8).all()
    assert (times[~image & (weight < 1)] == 2).all()
    assert (times[image & (weight == 1)] == 4).all()
    assert (times[image & (weight < 1)] == 1).all()


def test_stills_of_videos_are_images_in_their_share() -> None:
    table = generated(4_000, 0.0, 3)
    sampler = dataclasses.replace(TINY, still_share=0.25)
    shown = []
    for epoch in range(2):
        plan = plan_epoch(table, sampler, seed=1, epoch=epoch, world_size=1)
        steps = [plan.rank_step(step, 0) for step in range(plan.num_steps)]
        shown.append({int(row) for one in steps if one.shape.frames == 1 for row in one.rows})
    assert all(800 < len(rows) < 1200 for rows in shown)
    assert 100 < len(shown[0] & shown[1]) < 400


def test_captions_are_short_in_their_share_and_never_of_a_kind_that_is_not_there() -> None:
    table = generated(4_000, 0.1, 3)
    has_short, has_caption = np.arange(len(table)) % 3 > 0, np.arange(len(table)) % 5 > 0
    table = dataclasses.replace(table, has_short=has_short, has_caption=has_caption)
    sampler = dataclasses.replace(TINY, short_caption_share=0.4)
    chosen: dict[int, str] = {}
    plan = plan_epoch(table, sampler, seed=1, epoch=0, world_size=1)
    for step in range(plan.num_steps):
        one = plan.rank_step(step, 0)
        chosen |= dict(zip(one.rows.tolist(), one.captions, strict=True))
    assert all(chosen[row] == "" for row in chosen if not has_short[row] and not has_caption[row])
    assert all(chosen[row] == DETAILED for row in chosen if not has_short[row] and has_caption[row])
    assert all(chosen[row] == SHORT for row in chosen if has_short[row] and not has_caption[row])
    both = [chosen[row] == SHORT for row in chosen if has_short[row] and has_caption[row]]
    assert 0.35 < np.mean(both) < 0.45


def test_clips_too_small_for_the_recipe_are_told_apart() -> None:
    table = generated(500, 0.0, 3)
    small = np.arange(500) < 20
    side = np.where(small, 40, 256).astype(np.int32)
    table = dataclasses.replace(table, width=side, height=side)
    plan = plan_epoch(table, TINY, seed=1, epoch=0, world_size=2)
    assert sorted(plan.unfit.tolist()) == np.flatnonzero(small).tolist()


def test_videos_slower_or_shorter_than_the_recipe_serve_as_images() -> None:
    table = generated(400, 0.0, 3)
    fps = np.where(np.arange(400) < 100, 5, table.fps).astype(np.float32)
    seconds = np.where(np.arange(400) >= 300, 1.0, table.duration_seconds).astype(np.float32)
    table = dataclasses.replace(table, fps=fps, duration_seconds=seconds)
    plan = plan_epoch(table, TINY, seed=1, epoch=0, world_size=1)
    frames: dict[int, int] = {}
    for step in range(plan.num_steps):
        one = plan.rank_step(step, 0)
        frames |= dict.fromkeys(one.rows.tolist(), one.shape.frames)
    assert {row for row, count in frames.items() if count == 1} == {*range(100), *range(300, 400)}


def test_videos_too_short_for_any_video_serve_as_images_in_a_recipe_of_all_lengths() -> None:
    table = generated(200, 0.0, 3)
    short = np.arange(200) < 50
    seconds = np.where(short, 0.4, table.duration_seconds).astype(np.float32)
    table = dataclasses.replace(table, duration_seconds=seconds)
    plan = plan_epoch(table, dataclasses.replace(TINY, min_frames=1), seed=1, epoch=0, world_size=1)
    frames = np.repeat([plan.shapes[shape].frames for shape in plan.shape_of], np.diff(plan.starts))
    assert (frames[short[plan.rows]] == 1).all()
    assert (frames[~short[plan.rows]] > 1).all()
    assert not len(plan.dropped)


def test_impossible_sizes_are_unfit() -> None:
    table = generated(200, 0.1, 3)
    sizes = {"width": table.width.copy(), "height": table.height.copy()}
    sizes["width"][:20] = -640
    sizes["height"][10:30] = -360
    sizes["height"][30:40] = 0
    plan = plan_epoch(dataclasses.replace(table, **sizes), TINY, seed=1, epoch=0, world_size=1)
    assert sorted(plan.unfit.tolist()) == [*range(40)]


def test_fewer_clips_than_ranks_make_no_step() -> None:
    plan = plan_epoch(generated(5, 0.0, 3), TINY, seed=1, epoch=0, world_size=8)
    assert plan.num_steps == 0
    assert len(plan.dropped) == 5


def test_an_empty_table_makes_no_step() -> None:
    table: ClipTable = generated(5, 0.0, 3).take(np.zeros(0, np.int64))
    assert plan_epoch(table, TINY, seed=1, epoch=0, world_size=2).num_steps == 0
