"""A function gets its process group from Ray Train and hears signals; its failures come back; too much is refused."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import ray

from cluster import private
from cluster.connection import Place, connect
from cluster.ray_train import run_on_workers

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster() -> Iterator[None]:
    with private.here() as folder:
        connect(Place(address=None, working_dir=str(Path.cwd()), workers=2, folder=folder))
        yield
        ray.shutdown()


@pytest.mark.slow
def test_a_failure_is_told_and_too_much_is_refused(cluster: None, tmp_path: Path) -> None:
    """That workers reach each other, and are started anew, `tests/training/run/test_ray_train.py` tries."""
    with pytest.raises(ray.train.TrainingFailedError, match="on purpose"):
        call(partial(fail_once, str(tmp_path), outlives=True), tmp_path)
    with pytest.raises(ValueError, match=r"need 2\.7 CPUs and 0 GPUs, and there are 2 CPUs"):
        call(fail_once, tmp_path, workers=3)
    with pytest.raises(ValueError, match="0 workers"):
        call(fail_once, tmp_path, workers=0)


@pytest.mark.attack
def test_after_a_failure_they_reach_each_other_again(cluster: None, tmp_path: Path) -> None:
    call(partial(fail_once, str(tmp_path)), tmp_path, restarts=1)
    assert {path.name: path.read_text() for path in tmp_path.glob("rank*")} == {"rank0": "1", "rank1": "1"}


@pytest.mark.attack
def test_what_workers_refuse_is_said_and_signals_reach_them(cluster: None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rank \d cannot read this"):
        call(refuse, tmp_path)

    threading.Thread(target=signal_once_there, args=(tmp_path / "listens0", tmp_path / "listens1")).start()
    with pytest.raises(SystemExit) as stopped:
        call(partial(wait_to_be_told, str(tmp_path)), tmp_path, on_signal=hear)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL  # Ray's own is back


def call(
    function: Callable[..., None],
    tmp_path: Path,
    *,
    workers: int = 2,
    restarts: int = 0,
    on_signal: Callable[[int], None] | None = None,
) -> None:
    run_on_workers(
        function,
        workers=workers,
        address=None,
        working_dir=str(Path.cwd()),
        storage=str(tmp_path / "ray"),
        restarts=restarts,
        on_signal=on_signal,
    )


def fail_once(folder: str, *, outlives: bool = False) -> None:
    """Write the sum of all ranks, but not at the first time: rank 0 fails. Where rank 1 `outlives` that, it meets a
    group that is gone, which is no reason."""
    import torch
    import torch.distributed as dist

    mark = Path(folder, "failed")
    first = not mark.exists()
    dist.barrier()
    if first and os.environ["RANK"] == "0":
        mark.touch()
        raise ArithmeticError("on purpose")
    while first and outlives and dist.is_initialized():
        time.sleep(0.05)
    ranks = torch.tensor(dist.get_rank())
    dist.all_reduce(ranks)
    Path(folder, f"rank{os.environ['RANK']}").write_text(str(int(ranks)))


def refuse() -> None:
    raise ValueError(f"rank {os.environ['RANK']} cannot read this")


def signal_once_there(*marks: Path) -> None:
    while not all(mark.exists() for mark in marks):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)


def hear(number: int) -> None:
    os.environ["HEARD"] = str(number)


def wait_to_be_told(folder: str) -> None:
    Path(folder, f"listens{os.environ['RANK']}").touch()
    while "HEARD" not in os.environ:
        time.sleep(0.05)
    raise SystemExit(128 + int(os.environ["HEARD"]))
