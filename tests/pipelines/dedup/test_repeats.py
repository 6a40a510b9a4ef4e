"""What is compared, of many candidates, and that groups are the same as if all were."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from pipelines.dedup.groups import groups_of
from pipelines.dedup.likeness import ByPhash
from pipelines.dedup.repeats import IN_VAIN, leaders_of
from pipelines.dedup.spool import Spool


class Told(ByPhash):
    """Rows repeat one another as it was told."""

    def __init__(self, repeats: set[tuple[int, int]]) -> None:
        object.__setattr__(self, "mirrored", False)
        self.__dict__.update(repeats=repeats, compared=[])

    def same(self, spool: Spool, low: Any, high: Any) -> Any:
        pairs = list(zip(low.tolist(), high.tolist(), strict=True))
        self.__dict__["compared"] += pairs
        return np.array([pair in self.__dict__["repeats"] for pair in pairs], np.bool_)


def leaders(monkeypatch: pytest.MonkeyPatch, told: Told, order: Sequence[int], hashes: Sequence[Any]) -> list[int]:
    """With these pairs as candidates, hash by hash."""

    def candidates(*arguments: Any, **more: Any) -> Iterator[Any]:
        for pairs in hashes:
            yield np.array(sorted(low << 32 | high for low, high in pairs), np.uint64)

    monkeypatch.setattr("pipelines.dedup.repeats.candidate_pairs", candidates)
    with closing(Spool(1)) as spool:
        return leaders_of(told, spool, np.array(order), None).tolist()


def test_of_a_thousand_copies_only_the_best_one_is_compared_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    every = set(itertools.combinations(range(400), 2))
    told = Told(every)
    order = np.random.default_rng(0).permutation(400).tolist()
    assert leaders(monkeypatch, told, order, [every]) == [order[0]] * 400
    assert len(told.__dict__["compared"]) < len(every) / 4


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_about_as_if_all_were_compared(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Also where what repeats is not the same for all: each row's group is led by one that it repeats."""
    draw = np.random.default_rng(seed)
    every = list(itertools.combinations(range(30), 2))
    repeats = {pair for pair in every if draw.random() < 0.15}
    hashes = [[pair for pair in every if draw.random() < 0.5] for _ in range(6)] + [every]
    known: set[tuple[int, int]] = set()
    for number, pairs in enumerate(hashes):
        hashes[number] = [pair for pair in pairs if pair not in known]
        known |= set(pairs)
    order = draw.permutation(30)
    monkeypatch.setattr("pipelines.dedup.repeats.PAIRS_AT_A_TIME", 4)
    monkeypatch.setattr("pipelines.dedup.repeats.IN_VAIN", 1000)
    found = leaders(monkeypatch, Told(repeats), order.tolist(), hashes)
    low, high = (np.array(each) for each in zip(*sorted(repeats), strict=True))
    truth = groups_of(low, high, order)
    for row, leader in enumerate(found):
        assert leader in (-1, row) or (min(row, leader), max(row, leader)) in repeats
    assert sum(leader >= 0 for leader in found) >= (truth >= 0).sum() - 3


def test_look_alikes_are_not_compared_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    every = set(itertools.combinations(range(400), 2))
    told = Told(set())
    monkeypatch.setattr("pipelines.dedup.repeats.PAIRS_AT_A_TIME", 400)
    assert leaders(monkeypatch, told, range(400), [every]) == [-1] * 400
    assert len(told.__dict__["compared"]) < 400 * (IN_VAIN + 4)
