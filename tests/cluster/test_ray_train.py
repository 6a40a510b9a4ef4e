"""A function gets its process group from Ray Train, its failures come back, and what cannot run is refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import ray

from cluster.ray_train import run_on_workers

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


@pytest.fixture
def cluster() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_workers_reach_each_other_and_a_failure_is_told(cluster: None, tmp_path: Path) -> None:
    call(partial(write_sum_of_ranks, str(tmp_path)), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.glob("rank*")} == {"rank0": "1", "rank1": "1"}

    with pytest.raises(ray.train.TrainingFailedError, match="on purpose"):
        call(partial(fail_once, str(tmp_path)), tmp_path)
    (tmp_path / "failed").unlink()
    call(partial(fail_once, str(tmp_path)), tmp_path, restarts=1)

    with pytest.raises(ValueError, match=r"need 2\.7 CPUs and 0 GPUs, and there are 2 CPUs"):
        call(fail_once, tmp_path, workers=3)
    with pytest.raises(ValueError, match="0 workers"):
        call(fail_once, tmp_path, workers=0)


def call(function: Callable[..., None], tmp_path: Path, *, workers: int = 2, restarts: int = 0) -> None:
    storage = str(tmp_path / "ray")
    run_on_workers(
        function, workers=workers, address=None, working_dir=str(Path.cwd()), storage=storage, restarts=restarts
    )


def write_sum_of_ranks(folder: str) -> None:
    import torch
    import torch.distributed as dist

    ranks = torch.tensor(dist.get_rank())
    dist.all_reduce(ranks)
    Path(folder, f"rank{os.environ['RANK']}").write_text(str(int(ranks)))


def fail_once(folder: str) -> None:
    mark = Path(folder, "failed")
    if os.environ["RANK"] == "0" and not mark.exists():
        mark.touch()
        raise ArithmeticError("on purpose")
