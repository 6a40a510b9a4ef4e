"""A cluster of two nodes: one joins in the middle and gets work, one dies, and each item comes out once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from cluster.ray_engine import RayEngine
from cluster.stage import Stage

ROOT = Path(__file__).resolve().parents[2]
RAY = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats", "--num-cpus=1"]


class Where(Stage):
    """Says where an item was worked on. The first node takes its time until the second one had some, so that the test
    waits for a node on a busy machine as long as it needs."""

    name = "where"

    def __init__(self, second_works: Path) -> None:
        self._second_works = second_works

    def process(self, items: Sequence[int]) -> Sequence[tuple[int, str]]:
        import ray

        time.sleep(0.5 if self._second_works.exists() else 5)
        return [(item, ray.get_runtime_context().get_node_id()) for item in items]


class Nodes:
    """The nodes of a cluster, each of one core, the head first."""

    def __init__(self, folder: Path) -> None:
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self.env |= {"RAY_AUTH_MODE": "disabled"}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.started: list[subprocess.Popen[bytes]] = []
        self._log = folder / "ray.log"
        self._first = ["--head", f"--port={port}", "--include-dashboard=false"]

    def add(self) -> None:
        """Start one more, and see it join."""
        which = [f"--address={self.address}"] if self.started else self._first
        with self._log.open("a") as log:
            command = [*RAY, *which, "--node-ip-address=127.0.0.1"]
            self.started.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=log, start_new_session=True))
        while not _has_raylet(self.started[-1]):
            assert self.started[-1].poll() is None, self._log.read_text()
            time.sleep(0.2)

    def cpus(self) -> float:
        """Cores of the nodes that have joined."""
        code = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False); print(ray.cluster_resources()['CPU'])"
        ran = subprocess.run(
            [sys.executable, "-c", code, self.address], env=self.env, capture_output=True, text=True, check=True
        )
        return float(ran.stdout.split()[-1])


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """One, to begin with."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    made = Nodes(tmp_path)
    try:
        made.add()
        yield made
    finally:
        for process in reversed(made.started):
            _kill(process)


def _has_raylet(process: subprocess.Popen[bytes]) -> bool:
    return any(child.name() == "raylet" for child in psutil.Process(process.pid).children(recursive=True))


def _kill(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for one in family:
        if one.is_running():
            one.send_signal(signal.SIGKILL)
    process.kill()
    process.wait()


@pytest.mark.attack
@pytest.mark.cluster
def test_a_node_that_joins_has_work_and_one_that_dies_costs_no_item(nodes: Nodes, tmp_path: Path) -> None:
    while nodes.cpus() < 1:
        time.sleep(0.5)
    items, second_works = 60, tmp_path / "second"
    met: list[tuple[int, str]] = []
    for result in RayEngine(address=nodes.address, working_dir=os.fspath(ROOT)).run(
        [Where(second_works)], range(items)
    ):
        met.append(result)
        if len(met) == 1:
            nodes.add()
        if len({node for _, node in met}) == 2:
            second_works.touch()
            _kill(nodes.started[1])
    assert len({node for _, node in met}) == 2, "the second node had no work"
    assert sorted(item for item, _ in met) == list(range(items))
