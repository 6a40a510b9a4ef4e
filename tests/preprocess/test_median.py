"""Medians are NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from preprocess.median import median


@pytest.mark.parametrize("shape", [(1,), (2,), (7,), (18, 32), (5, 3)])
def test_median_is_that_of_numpy(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(3).normal(0, 50, shape).astype(np.float32)
    assert median(values) == np.median(values)
    assert median(values[::-1]) == np.median(values)
