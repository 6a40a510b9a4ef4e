"""What is compared of a crowd: copies, and not everything that looks like them."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pyarrow as pa
import pytest

from filters.prints.film_print import COARSE_TERMS, FINE_TERMS, FilmPrint
from pipelines.dedup.candidates import candidate_pairs, rows_of_pairs
from pipelines.dedup.keys import NEIGHBOURS
from pipelines.dedup.likeness import ByPhash
from pipelines.dedup.spool import Spool

CLIPS, COPIED = 600, 60


def street() -> list[bytes]:
    """Clips before one background, each at a moment of its own; the last ones are the first ones, coded again."""
    draw = np.random.default_rng(0)
    mean = draw.standard_normal(FINE_TERMS) * 300
    moves = draw.standard_normal((CLIPS, 12, COARSE_TERMS)) * 25
    moves[-COPIED:] = moves[:COPIED] + draw.standard_normal((COPIED, 12, COARSE_TERMS)) * 2
    films = [FilmPrint(mean=mean.astype(np.float32), changes=each.astype(np.float32)) for each in moves]
    return [film.to_bytes() for film in films]


def pairs(films: list[bytes], first_other: int | None = None) -> set[tuple[int, int]]:
    likeness = ByPhash()
    hashing = likeness.hashing
    with closing(Spool(hashing.num_terms + hashing.moment_terms)) as spool:
        likeness.add(spool, pa.chunked_array([pa.array(films, pa.binary())]), 0)
        hashes = candidate_pairs(spool, np.arange(len(films)), hashing, likeness.views, first_other=first_other)
        return {pair for some in hashes for pair in zip(*(rows.tolist() for rows in rows_of_pairs(some)), strict=True)}


def test_copies_in_a_crowd_before_one_background_are_compared_and_few_others() -> None:
    found = pairs(street())
    assert {(row, CLIPS - COPIED + row) for row in range(COPIED)} <= found
    assert len(found) < CLIPS * (CLIPS - 1) / 2 / 4


def test_against_others_only_they_are_compared() -> None:
    found = pairs(street(), first_other=CLIPS - COPIED)
    assert {(row, CLIPS - COPIED + row) for row in range(COPIED)} <= found
    assert all(low < CLIPS - COPIED <= high for low, high in found)


def test_clips_that_lost_their_edges_are_compared_with_the_whole_ones() -> None:
    draw = np.random.default_rng(3)
    boxes = draw.uniform(0, 0.05, (CLIPS // 2, 4)).tolist()
    means = draw.standard_normal((CLIPS // 2, FINE_TERMS)) * 300
    moves = draw.standard_normal((CLIPS // 2, 6, COARSE_TERMS)) * 100
    whole = [
        FilmPrint(mean=mean.astype(np.float32), changes=each.astype(np.float32))
        for mean, each in zip(means, moves, strict=True)
    ]
    cropped = [film.cropped((*box,)) for film, box in zip(whole, boxes, strict=True)]
    found = pairs([film.to_bytes() for film in (*whole, *cropped)])
    wanted = {(row, CLIPS // 2 + row) for row in range(CLIPS // 2)}
    assert len(wanted & found) >= 0.97 * len(wanted)
    assert len(found) < 4 * len(wanted)


def test_of_a_camera_that_shows_one_still_picture_few_pairs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.dedup.keys.PAIRS_OF_LEVEL", 1000)
    mean = np.random.default_rng(0).standard_normal(FINE_TERMS) * 300
    film = FilmPrint(mean=mean.astype(np.float32), changes=np.zeros((12, COARSE_TERMS), np.float32)).to_bytes()
    found = pairs([film] * CLIPS)
    assert {(0, row) for row in range(1, CLIPS)} <= found
    assert len(found) <= CLIPS * (1 + NEIGHBOURS)
