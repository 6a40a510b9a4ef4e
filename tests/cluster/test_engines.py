"""Both engines run the same stages and give the same results; the planner never promises what cannot run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cluster import ray_engine
from cluster.engine import Engine, InProcess
from cluster.local_engine import LocalEngine
from cluster.ray_engine import RayEngine
from cluster.scaling import fuse, plan_pools
from cluster.stage import Chain, Stage

ROOT = str(Path(__file__).resolve().parents[2])


class Double(Stage):
    name = "double"

    def process(self, items: Sequence[int]) -> Iterator[int]:
        for item in items:
            yield item
            yield 2 * item


class AddTen(Stage):
    name = "add_ten"
    cpus = 0.0

    def setup(self) -> None:
        self.ready = True

    def process(self, items: Sequence[int]) -> Iterator[int]:
        assert self.ready
        yield from (item + 10 for item in items)


class OnGpu(Stage):
    name = "on_gpu"
    gpus = 0.5

    def process(self, items: Sequence[int]) -> Sequence[int]:
        return items


class Waits(Stage):
    name = "waits"
    cpus = 0.0
    apart = True

    def process(self, items: Sequence[int]) -> Sequence[int]:
        return items


class Batches(Stage):
    """Sees how many items come at a time."""

    name = "batches"
    apart = True
    batch_items = 4

    def process(self, items: Sequence[int]) -> Iterator[tuple[int, int]]:
        yield from ((item, len(items)) for item in items)


class DieOnce(Stage):
    """Its worker is killed, as the kernel kills one that is out of memory, the first time it meets item 3."""

    name = "die_once"

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def process(self, items: Sequence[int]) -> Sequence[int]:
        if 3 in items and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return items


class Broken(Stage):
    name = "broken"

    def process(self, items: Sequence[int]) -> Sequence[int]:
        raise KeyError(f"item {items[0]}")


@pytest.mark.parametrize("engine", [InProcess(), LocalEngine()])
def test_local_runs_stages_in_order(engine: Engine) -> None:
    assert list(engine.run([Double(), AddTen()], [1, 5])) == [11, 12, 15, 20]
    assert list(engine.run([Double(), AddTen()], [])) == []


def test_neighbours_without_gpu_are_fused() -> None:
    stages = [Double(), AddTen(), OnGpu(), AddTen()]
    fused = fuse(stages, on_gpu=True)
    assert [type(stage) for stage in fused] == [Chain, OnGpu, AddTen]
    assert fused[0].cpus == 1.0
    (everything,) = fuse(stages, on_gpu=False)
    assert everything.name == "double + add_ten + on_gpu + add_ten"


def test_stage_that_waits_has_one_worker_of_its_own() -> None:
    first, waiting, last = plan_pools([Double(), Waits(), AddTen()], cpus=64, gpus=0, items=1000)
    assert (first.workers, waiting.workers) == (64, 1)
    assert isinstance(waiting.stage, Waits)
    assert isinstance(last.stage, AddTen)


def test_without_a_gpu_the_same_stages_run_on_cpus() -> None:
    (pool,) = plan_pools([Double(), OnGpu(), AddTen()], cpus=1, gpus=0, items=10)
    assert pool.gpus == 0
    pool.stage.setup()
    assert sorted(pool.stage.process([1])) == [11, 12]


@pytest.mark.parametrize(("cpus", "workers"), [(1, 1), (2, 2), (64, 64)])
def test_pool_takes_the_machine_and_leaves_room(cpus: int, workers: int) -> None:
    (pool,) = plan_pools([Double()], cpus=cpus, gpus=0, items=1000)
    assert pool.workers == workers
    assert pool.workers * pool.cpus < cpus


def test_no_more_workers_than_items_or_asked_for() -> None:
    assert plan_pools([Double()], cpus=64, gpus=0, items=3)[0].workers == 3
    assert plan_pools([Double()], cpus=64, gpus=0, items=1000, workers=5)[0].workers == 5


@pytest.mark.parametrize("cpus", [1, 2, 3, 64])
def test_pools_together_fit(cpus: int) -> None:
    stages = [Double(), OnGpu(), AddTen()]
    if sum(stage.cpus for stage in stages) > cpus:
        with pytest.raises(ValueError, match="cannot run"):
            plan_pools(stages, cpus=cpus, gpus=1, items=100)
        return
    pools = plan_pools(stages, cpus=cpus, gpus=1, items=100)
    assert sum(pool.workers * pool.cpus for pool in pools) < cpus
    assert sum(pool.workers * pool.gpus for pool in pools) <= 1


def test_gpus_are_shared_out_so_that_no_stage_waits_for_another() -> None:
    first, last = OnGpu(), OnGpu()
    first.gpus, last.gpus = 0.2, 0.6
    pools = plan_pools([Double(), first, last], cpus=64, gpus=8, items=1000)
    assert [pool.workers for pool in pools[1:]] == [10, 10]


def test_plan_that_cannot_run_is_refused_in_one_sentence() -> None:
    both = r"need 2 CPUs and 1 GPUs at once \(on_gpu 1 CPUs 0.5 GPUs, .*\), and there are 8 CPUs and 0.5 GPUs"
    with pytest.raises(ValueError, match=both):
        plan_pools([OnGpu(), OnGpu()], cpus=8, gpus=0.5, items=1)
    with pytest.raises(ValueError, match="0 workers"):
        plan_pools([Double()], cpus=8, gpus=0, items=1, workers=0)


@pytest.mark.slow
@pytest.mark.cluster
def test_ray_matches_local_and_survives_a_killed_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "WINDOW_ITEMS", 13)  # the items go there in two lots
    monkeypatch.setattr(ray_engine, "WINDOW_ITEMS_PER_WORKER", 1)
    stages = [Double(), DieOnce(tmp_path / "died"), AddTen()]
    on_ray = list(RayEngine(address=None, working_dir=ROOT, workers=2).run(stages, range(20)))
    assert (tmp_path / "died").exists()
    assert sorted(on_ray) == sorted(InProcess().run(stages, range(20)))


@pytest.mark.slow
@pytest.mark.cluster
def test_ray_hands_over_several_items_at_a_time() -> None:
    seen = list(RayEngine(address=None, working_dir=ROOT, workers=2).run([AddTen(), Batches()], range(10)))
    assert sorted(item for item, _ in seen) == list(range(10, 20))
    assert {size for _, size in seen} <= {1, 2, 3, 4}
    assert max(size for _, size in seen) > 1


@pytest.mark.slow
@pytest.mark.cluster
def test_ray_raises_the_stage_s_own_error() -> None:
    code = (
        "import ray.cloudpickle, tests.cluster.test_engines as here\n"
        "ray.cloudpickle.register_pickle_by_value(here)\n"
        "list(here.RayEngine(address=None, working_dir=here.ROOT, workers=1).run([here.Broken()], [0]))"
    )
    # a process of its own, since the cluster of a run that failed stays until its process ends
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "KeyError: 'item 0'" in done.stderr
