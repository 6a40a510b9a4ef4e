"""Which packets are copied, by made-up orders of decoding."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.splice import PacketTime, decoding_times, durations, plan_splice


def packets(*pts: int, starts: set[int]) -> list[PacketTime]:
    return [PacketTime(pts=each, starts=each in starts) for each in pts]


PYRAMIDS = (0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11)
"""Three groups of four, each decoded from its last picture inwards."""


def test_an_end_between_two_groups_needs_no_tail() -> None:
    splice = plan_splice(packets(*PYRAMIDS, starts={0}), 0, 9)
    assert splice.copied == tuple(range(9))
    assert splice.tail_pts == 9


def test_an_end_within_a_group_leaves_the_group_to_the_tail() -> None:
    """Frame 8 is beyond the end, and frames 5 to 7 need it: so they are encoded."""
    splice = plan_splice(packets(*PYRAMIDS, starts={0}), 0, 8)
    assert splice.copied == tuple(range(5))
    assert splice.tail_pts == 5


def test_leading_pictures_of_an_open_group_belong_to_the_head() -> None:
    splice = plan_splice(packets(*PYRAMIDS, starts={0, 8}), 2, 13)
    assert splice.copy_pts == 8
    assert [PYRAMIDS[at] for at in splice.copied] == [8, 12, 10, 9, 11]


def test_a_span_without_a_key_frame_is_refused() -> None:
    with pytest.raises(CannotCopy, match="no key frame"):
        plan_splice(packets(*PYRAMIDS, starts={0}), 1, 13)


def shuffled(rng: random.Random, count: int) -> list[int]:
    """An order of decoding of frames 0 to count - 1, each at most 8 places from its own."""
    order: list[int] = []
    while len(order) < count:
        group = list(range(len(order), min(count, len(order) + rng.randint(1, 8))))
        rng.shuffle(group)
        order += group
    return order


@pytest.mark.parametrize("seed", range(50))
def test_head_copy_and_tail_make_up_the_span(seed: int) -> None:
    """What is copied was decoded without anything that is not, and no time is missing or there twice; where a frame
    that is said to start is shown before some that were decoded before it, nothing starts there."""
    rng = random.Random(seed)
    order = shuffled(rng, 60)
    order = [0, *(each + 1 for each in order)]
    starts = {0, *rng.sample(range(60), 5)}
    start, end = sorted(rng.sample(range(61), 2))
    proper = [each for at, each in enumerate(order) if each == max(order[: at + 1])]
    try:
        splice = plan_splice(packets(*order, starts=starts), start, end)
    except CannotCopy:
        assert not any(each in starts and start <= each < end for each in proper)
        return
    assert splice.copy_pts == next(each for each in proper if each in starts and start <= each < end)
    copied = [order[at] for at in splice.copied]
    head, tail = range(start, splice.copy_pts), range(splice.tail_pts, end)
    assert sorted([*head, *copied, *tail]) == list(range(start, end))
    behind = [each for each in order[splice.copied[0] :] if each >= splice.copy_pts]
    assert copied == behind[: len(copied)]


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_decoded_in_time(seed: int) -> None:
    rng = random.Random(seed)
    times = sorted(rng.sample(range(1000), 40))
    pts = [times[each] for each in shuffled(rng, 40)]
    dts = decoding_times(pts)
    assert all(earlier < later for earlier, later in pairwise(dts))
    assert all(each <= shown for each, shown in zip(dts, pts, strict=True))
    assert any(each == shown for each, shown in zip(dts, pts, strict=True))  # and not earlier than need be


def test_tables_end_with_the_clip() -> None:
    pts = [0, 50, 20, 30]
    lengths = durations(pts, 80)
    assert max(at + length for at, length in zip(pts, lengths, strict=True)) == 80
    assert decoding_times(pts)[-1] - decoding_times(pts)[0] + lengths[-1] == 80
