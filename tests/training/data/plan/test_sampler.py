from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.sampler import generated
from training.data.plan.config import SamplerConfig
from training.data.plan.plan import RankStep
from training.data.plan.sampler import PlannedBatches, SamplerState
from training.data.plan.table import ClipTable
from training.models.grid import TokenGrid

TINY = SamplerConfig(budget_tokens=1_280, min_side=64, max_side=128, sides=3, min_frames=9, max_frames=17).on(
    TokenGrid()
)
CLIPS = 500


@pytest.fixture(scope="module")
def table() -> ClipTable:
    return generated(CLIPS, 0.1, 0)


def planned(
    table: ClipTable, rank: int = 0, size: int = 1, state: SamplerState | None = None, accumulation: int = 1
) -> PlannedBatches:
    return PlannedBatches(table, TINY, seed=3, rank=rank, world_size=size, accumulation=accumulation, state=state)


def told(steps: list[RankStep]) -> list[tuple[object, ...]]:
    return [(one.epoch, one.shape, *one.rows.tolist(), *one.seeds.tolist(), *one.captions) for one in steps]


def take(batches: PlannedBatches, count: int) -> list[RankStep]:
    return list(itertools.islice(batches, count))


@pytest.mark.parametrize("stop", [0, 1, 12, 40, 95])
def test_resumed_equals_undisturbed(table: ClipTable, stop: int) -> None:
    whole = take(planned(table), 100)
    assert whole[-1].epoch > 0
    saved = json.loads(json.dumps(planned(table).state_after(stop).to_json()))
    resumed = planned(table, state=SamplerState.from_json(saved))
    assert told(take(resumed, 100 - stop)) == told(whole[stop:])
    assert resumed.state_after(100 - stop) == planned(table).state_after(100)


def test_the_end_of_an_epoch_is_the_start_of_the_next(table: ClipTable) -> None:
    batches = planned(table)
    there = batches.plan(batches.state_after(0)).num_steps
    assert batches.state_after(there - 1).epoch == 0
    assert batches.state_after(there).epoch == 1
    assert batches.state_after(there).parts == ((1, 0),)


def test_another_world_size_shows_each_clip_of_the_epoch_once(table: ClipTable) -> None:
    shown: Counter[int] = Counter()
    state = None
    for size, steps in ((4, 3), (1, 6), (2, 5)):
        ranks = [planned(table, rank, size, state) for rank in range(size)]
        shown.update(row for rank in ranks for one in take(rank, steps) for row in one.rows.tolist())
        states = [rank.state_after(steps) for rank in ranks]
        assert len(set(states)) == 1
        state = states[0]
    assert state is not None
    assert state.epoch == 0
    assert [size for size, _ in state.parts] == [4, 1, 2]
    last = [planned(table, rank, 3, state) for rank in range(3)]
    rest = last[0].plan(SamplerState(epoch=0, parts=(*state.parts, (3, 0)), fingerprint=state.fingerprint))
    for rank in last:
        steps = take(rank, rest.num_steps + 1)
        assert [one.epoch for one in steps] == [0] * rest.num_steps + [1]
        shown.update(row for one in steps[:-1] for row in one.rows.tolist())
    shown.update(rest.dropped.tolist())
    assert shown == Counter(range(CLIPS))


def test_a_world_size_that_did_nothing_leaves_no_trace(table: ClipTable) -> None:
    state = planned(table).state_after(9)
    visited = planned(table, 0, 4, state).state_after(0)
    assert told(take(planned(table, state=visited), 20)) == told(take(planned(table, state=state), 20))


def test_two_ranks_see_what_one_sees_that_accumulates(table: ClipTable) -> None:
    alone = take(planned(table, accumulation=4), 40)
    pairs = [take(planned(table, rank, 2, accumulation=2), 20) for rank in range(2)]
    for step in range(10):
        one = told(alone[4 * step : 4 * step + 4])
        two = told([micro for rank in pairs for micro in rank[2 * step : 2 * step + 2]])
        assert sorted(map(repr, one)) == sorted(map(repr, two))
    state = planned(table, accumulation=4).state_after(24)
    assert state == planned(table, 1, 2, accumulation=2).state_after(12)
    assert told(take(planned(table, 0, 2, state, accumulation=2), 8)) == told(pairs[0][12:])
    with pytest.raises(ValueError, match="end within a step"):
        planned(table, accumulation=4).state_after(5)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_state_can_be_told_step_by_step(table: ClipTable, accumulation: int) -> None:
    batches = planned(table, 1, 2, planned(table).state_after(5), accumulation)
    state, whole = batches.state, take(batches, 80)
    for done, step in enumerate(whole, 1):
        state = batches.after(state, step)
        if done in (4, 40, 78):
            assert told(take(batches.at(state), 2)) == told(whole[done : done + 2])
    assert whole[-1].epoch > 0


def test_a_state_of_other_clips_is_refused(table: ClipTable) -> None:
    state = planned(table).state_after(3)
    with pytest.raises(ValueError, match=r"with other clips \(\w+, now \w+\): what .* cannot be told"):
        planned(table.take(np.arange(CLIPS - 1)), state=state)
    with pytest.raises(ValueError, match=r"with other sampler settings \(\w+, now \w+\), other seed \(3, now -1\)"):
        PlannedBatches(table, replace(TINY, fps=7.0), seed=-1, rank=0, world_size=1, state=state)


def test_too_few_clips_are_said_and_not_waited_for(table: ClipTable) -> None:
    with pytest.raises(ValueError, match="has no step: 3 clips for 8 batches"):
        next(iter(planned(table.take(np.arange(3)), 0, 8)))


def test_weights_that_leave_too_few_clips_are_said_and_not_waited_for(table: ClipTable) -> None:
    """Two clips of 40 an epoch for eight ranks; and none at all."""
    few = table.take(np.arange(40))
    seldom = replace(few, source_weight=np.where(np.arange(40) == 0, 1, 0.02).astype(np.float32))
    with pytest.raises(ValueError, match=r"40 clips for 8 batches a step.* 3[789] rest by their weight"):
        next(iter(planned(seldom, 0, 8)))
    never = PlannedBatches(table, replace(TINY, image_weight=0.0, video_weight=0.0), seed=3, rank=0, world_size=1)
    with pytest.raises(ValueError, match=f"{CLIPS} rest by their weight"):
        next(iter(never))


def test_an_epoch_in_which_too_many_rest_is_passed_over(table: ClipTable) -> None:
    few = replace(table.take(np.arange(16)), source_weight=np.array([1.0, *[0.3] * 15], np.float32))
    batches = planned(few, 0, 6)
    steps = take(batches, 3)
    assert all(len(step.rows) for step in steps)
    empty = [
        epoch for epoch in range(steps[-1].epoch) if not batches.plan(replace(batches.state, epoch=epoch)).num_steps
    ]
    assert empty


def test_a_rank_that_is_none_is_refused(table: ClipTable) -> None:
    with pytest.raises(ValueError, match="rank 2 of 2"):
        planned(table, 2, 2)
