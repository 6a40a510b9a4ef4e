from __future__ import annotations

import numpy as np
import pytest

from benchmarks.text_probe import Seen, fitted, network
from benchmarks.truth.lettering import lettered, readable_here
from benchmarks.truth.lookalikes import THINGS, row_of


def two_kinds(count: int, seed: int) -> list[Seen]:
    """Boxes of text whose six features lie about 0.7, and of no text about -0.7."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 0.5, (count, 6)).astype(np.float32)
    features += np.where(np.arange(count) % 2, 0.7, -0.7)[:, None].astype(np.float32)
    scripts = [("Thai" if number % 2 else None) for number in range(count)]
    return [
        Seen(features=row, script=its, read=False, kept_away=False) for row, its in zip(features, scripts, strict=True)
    ]


def test_fits_tell_what_they_have_not_seen() -> None:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    boxes, others = two_kinds(60, seed=0), two_kinds(400, seed=1)
    wanted = [box.script is not None for box in boxes]
    unseen, truth = np.array([box.features for box in others]), np.arange(400) % 2 == 1
    weights, bias = fitted(boxes, wanted)
    hidden, hidden_bias, said, said_bias = network(boxes, wanted, seed=0)
    torch.set_num_threads(threads)
    straight = unseen @ weights + bias
    deep = np.maximum(unseen @ hidden + hidden_bias, 0) @ said + said_bias
    for odds in (straight, deep):
        assert ((odds > 0) == truth).mean() > 0.95


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.__name__)
def test_rows_of_things_are_drawn_on_a_copy(thing) -> None:
    plain = np.full((240, 320, 3), 60, np.uint8)
    drawn = row_of(thing, plain, np.random.default_rng(3))
    assert (plain == 60).all()
    assert 0.0005 < (drawn != plain).any(axis=2).mean() < 0.6


def test_corners_hold_the_ink() -> None:
    scripts = readable_here()
    if not scripts:
        pytest.skip("no font on this machine")
    lines, fonts = next(iter(scripts.values()))
    plain = np.full((270, 480, 3), 60, np.uint8)
    made = lettered(plain, lines[0][:8], fonts[0], high=0.1, at=(0.5, 0.5), style="plain")
    assert made is not None
    rows, columns = np.nonzero((made.image != plain).any(axis=2))
    (left, top), (right, bottom) = made.corners.min(axis=0), made.corners.max(axis=0)
    assert abs(columns.min() - left) <= 3
    assert abs(columns.max() - right) <= 3
    assert abs(rows.min() - top) <= 3
    assert abs(rows.max() - bottom) <= 3
    assert abs(bottom - top - 27) <= 4
