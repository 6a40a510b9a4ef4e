from __future__ import annotations

import numpy as np
import pytest

from benchmarks.planted_text import HIGH, KINDS, filmed, planted
from benchmarks.truth.lettering import readable_here
from examples.demo_films.landscapes import Image


@pytest.mark.skipif(not readable_here(), reason="no fonts, or no fontconfig")
def test_lines_lie_in_all_ways_and_the_same_chance_gives_the_same() -> None:
    frame: Image = np.full((270, 480, 3), 120, np.uint8)
    made = [planted(frame, np.random.default_rng(seed)) for seed in range(40)]
    lines = [one for one in made if one is not None]
    assert {one.kind for one in lines} == set(KINDS)
    assert all(HIGH[0] <= one.high <= HIGH[1] for one in lines)
    assert all((one.image != frame).any() for one in lines)
    for seed in (0, 1):
        again = planted(frame, np.random.default_rng(seed))
        first = made[seed]
        assert (again is None) == (first is None)
        if again is not None and first is not None:
            assert (again.image == first.image).all()


def test_film_is_compressed_and_sometimes_moved() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (270, 480, 3), dtype=np.uint8)
    spread = [float(filmed(noise, np.random.default_rng(seed)).std()) for seed in range(20)]
    assert min(spread) < noise.std() / 2 < max(spread)
