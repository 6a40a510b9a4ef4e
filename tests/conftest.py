"""What holds for all tests, also where several processes share them."""

from __future__ import annotations

import os

import pytest

# Two processes share the tests; threads of their own would only fight over the cores. Children inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a file stay in one process, since they share what is dear to make; those with a cluster too, since
    `--engine auto` joins any cluster on the machine."""
    for item in items:
        clustered = item.get_closest_marker("cluster") is not None
        item.add_marker(pytest.mark.xdist_group("cluster" if clustered else os.fspath(item.path)))
