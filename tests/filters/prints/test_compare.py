"""Copies are found whatever was done to them, and what only looks alike is not."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from benchmarks.repeats.copies import COPIES
from filters.prints.compare import are_repeats
from filters.prints.film_print import FilmPrint, prints_of
from tests.filters.prints.scenes import encoded, hash_of, print_of, street, title, titles, walk

FILMS = {
    **{f"walk {seed}": walk(seed) for seed in range(4)},
    **{f"street {seed}": street(seed) for seed in range(4)},
    **{f"title {number}": frames for number, frames in enumerate(titles(4))},
    **{f"title {word}": title([word, "OF THE"]) for word in ("NIGHT", "RIVER", "STAR")},
}
PRINTS = {name: print_of(frames) for name, frames in FILMS.items()}


@pytest.mark.parametrize("kind", [kind for kind, copy in COPIES.items() if copy.span == (0.0, 1.0) and copy.step == 1])
def test_a_copy_is_found(kind: str) -> None:
    """Of a title on black nobody knows where bars end, and a cropped one has other words, as far as can be seen."""
    pairs = [
        (PRINTS[name], print_of(encoded(frames, COPIES[kind].change)))
        for name, frames in FILMS.items()
        if not name.startswith("title") or not ("%" in kind or "boxed" in kind)
    ]
    assert are_repeats(pairs).all()


def test_films_of_one_place_layout_or_maker_are_told_apart() -> None:
    pairs = list(itertools.combinations(PRINTS.values(), 2))
    assert not are_repeats(pairs).any()


@pytest.mark.parametrize("late", [0.1, 0.25, 0.4])
def test_another_cut_that_holds_most_of_it_is_found(late: float) -> None:
    longer = [walk(seed, seconds=7) for seed in range(4)]
    shorter = [walk(seed, start=1 + late, seconds=5) for seed in range(4)]
    assert are_repeats(
        [(print_of(one), print_of(encoded(other))) for one, other in zip(longer, shorter, strict=True)]
    ).all()


def test_clips_that_share_less_than_half_are_no_repeats() -> None:
    assert not are_repeats([(print_of(walk(seed)), print_of(walk(seed, start=3))) for seed in range(4)]).any()


def test_neither_order_nor_company_matters() -> None:
    copies = [print_of(encoded(FILMS[name])) for name in ("walk 0", "street 1", "title 2")]
    pairs = [(one, other) for one in copies for other in PRINTS.values()]
    together = are_repeats(pairs)
    assert together.sum() == 3
    assert together.tolist() == [bool(are_repeats([pair])[0]) for pair in pairs]
    assert together.tolist() == are_repeats([(other, one) for one, other in pairs]).tolist()


def test_left_for_right_is_another_film_until_it_is_turned() -> None:
    turned = print_of([cv2.flip(frame, 1) for frame in FILMS["walk 0"]])
    assert turned is not None
    assert are_repeats([(PRINTS["walk 0"], turned), (PRINTS["walk 0"], turned.mirrored())]).tolist() == [False, True]


def test_a_picture_is_no_film() -> None:
    card = title(["ONE", "TWO"])
    still, other = print_of(card[:1]), print_of(encoded(card[:1]))
    assert are_repeats([(still, print_of(card)), (still, other)]).tolist() == [False, True]


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_uniform_clips_have_nothing_to_compare(level: int) -> None:
    noise = np.random.default_rng(0).normal(0, 2, (8, 90, 160))
    frames = np.clip(level + noise, 0, 255).astype(np.uint8)
    assert hash_of(list(frames)) == b""


def test_bytes_of_strangers_are_no_prints() -> None:
    good = hash_of(FILMS["walk 0"])
    spoilt = [
        b"",
        b"\0",
        good[:-1],
        good + b"\0",
        b"\2" + good[1:],
        good[:1] + b"\0" + good[2:],
        good[:2] + b"\xff\x7f" + good[4:],
    ]
    spoilt += [np.random.default_rng(seed).bytes(len(good)) for seed in range(20)]
    assert prints_of(spoilt) == [None] * len(spoilt)
    assert isinstance(FilmPrint.from_bytes(good), FilmPrint)


def test_what_is_stored_is_what_was_seen() -> None:
    film = FilmPrint.from_bytes(hash_of(FILMS["walk 1"]))
    assert film is not None
    again = FilmPrint.from_bytes(film.to_bytes())
    assert again is not None
    assert np.abs(again.mean - film.mean).max() <= np.abs(film.mean).max() / 127
    assert are_repeats([(film, again)]).all()
