"""The cluster that a run starts for itself is its own: nobody else reaches it, joins it, or is asked about it."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest

from cluster import ray_insides
from cluster.found import meant_by_auto
from cluster.lost import ClusterLostError
from cluster.ray_engine import RayEngine
from cluster.ray_train import run_on_workers
from cluster.stage import Stage
from tests.blas import blas_threads

ROOT = str(Path(__file__).resolve().parents[2])


class Slow(Stage):
    """Works for long on all but the first, of which it tells how many threads numpy's products start."""

    name = "slow"

    def process(self, items: Sequence[int]) -> Sequence[int]:
        time.sleep(40 if items[0] else 0)
        return [blas_threads() or 1 for _ in items]


@pytest.mark.slow
@pytest.mark.cluster
def test_it_is_on_loopback_behind_a_token_and_its_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = set(psutil.Process().children(recursive=True))
    results = RayEngine(address=None, working_dir=ROOT, workers=2).run([Slow()], [0, 1, 1, 1, 1, 1])
    assert next(results) == 1  # all that it consists of runs now, and has more to do

    family = [child for child in psutil.Process().children(recursive=True) if child not in before]
    family = [child for child in family if child.status() != psutil.STATUS_ZOMBIE]
    sockets = listening(family)
    assert len(sockets) > 5
    assert {address.removeprefix("::ffff:") for address in sockets} == {"127.0.0.1"}
    (node,) = (node for node in ray_insides.nodes() if node.process in family)
    folder = node.current_cluster.parent.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert node.process.environ()["RAY_USAGE_STATS_ENABLED"] == "0"
    assert ray_insides.answer(node.address, 60) == "UNAUTHENTICATED"
    found = meant_by_auto()
    assert found is None or found.address != node.address

    node.process.kill()
    with pytest.raises(ClusterLostError, match=r"was lost .*run the same command again to resume"):
        list(results)
    left = psutil.wait_procs(family, timeout=60)[1]
    assert not [(process, process.cmdline()) for process in left]
    assert not folder.exists()
    assert os.environ.get("RAY_AUTH_MODE") is None


@pytest.mark.attack
@pytest.mark.cluster
def test_that_of_a_training_run_is_private_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    call = {"workers": 1, "address": None, "working_dir": ROOT, "storage": str(tmp_path / "ray")}
    run_on_workers(partial(see_sockets, str(tmp_path / "seen.json")), **call)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert len(seen["listening"]) > 5
    assert {address.removeprefix("::ffff:") for address in seen["listening"]} == {"127.0.0.1"}
    assert seen["mode"] == "token"
    assert os.environ.get("RAY_AUTH_MODE") is None


def see_sockets(file: str) -> None:
    """Write where the family of this worker's node listens."""
    driver = psutil.Process().parents()[1]
    family = [process for process in driver.children(recursive=True) if process.status() != psutil.STATUS_ZOMBIE]
    # torch's store, at which its ranks meet, knows no address to keep to
    sockets = listening(family, but=int(os.environ["MASTER_PORT"]))
    told = {"listening": sockets, "mode": os.environ.get("RAY_AUTH_MODE")}
    Path(file).write_text(json.dumps(told))


def listening(family: Sequence[psutil.Process], *, but: int = 0) -> list[str]:
    return [
        connection.laddr.ip
        for process in family
        for connection in process.net_connections("inet")
        if (connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM)
        and connection.laddr.port != but
    ]
