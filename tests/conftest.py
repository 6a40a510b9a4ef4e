"""What holds for all tests, also where several processes share them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from cluster.private import GCS_SECONDS, GCS_WAIT
from examples.demo_films.videos import make_demo_videos

# Some processes share the tests; threads of their own would only fight over the cores. Children inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(GCS_WAIT, GCS_SECONDS)


@pytest.fixture(autouse=True)
def one_cluster_at_a_time(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`--engine auto` joins any cluster on the machine, so tests that start one take turns."""
    if not _with_cluster(request.node):
        yield
        return
    with FileLock(tmp_path_factory.getbasetemp().parent / "cluster.lock"):
        yield


@pytest.fixture(scope="session")
def demo_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's videos, which take half a minute of a core: made once for all processes, and to be copied."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each process has a folder in one that they share
        folder = folder.parent
    with FileLock(folder / "demo_films.lock"):
        make_demo_videos(folder / "demo_films")
    return folder / "demo_films"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that waits for its turn is not late. Files with slow tests come first: of two processes that share the
    files, neither waits at the end for the other's long one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if _with_cluster(item):
            item.add_marker(pytest.mark.timeout(3600))


def _with_cluster(item: pytest.Item) -> bool:
    return item.get_closest_marker("cluster") is not None
