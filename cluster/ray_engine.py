"""The same stages as actor pools under Ray Data's streaming executor: back-pressure, scaling and restarts are Ray's."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import ray.data
from ray.data import ActorPoolStrategy

from cluster.connection import connect
from cluster.scaling import Pool, plan_pools
from cluster.stage import Stage

LOCAL_OBJECT_STORE_BYTES = 256 << 20
"""Only work orders and rows pass through it; Ray would take 30 % of the machine's memory."""


class RayEngine:
    """Runs stages on a Ray cluster.

    `address` is a cluster's address, "auto" for the one that runs on this machine or that this job belongs to, or None
    to start a local one with this machine's cores for the time of the run.
    """

    replaces_workers = True

    def __init__(self, *, address: str | None, working_dir: str, workers: int | None = None) -> None:
        self._address = address
        self._working_dir = working_dir
        self._workers = workers

    def run(self, stages: Sequence[Stage], items: Sequence[Any]) -> Iterator[Any]:
        """Yield results as units end, in any order.

        Raises:
            ValueError: no cluster answers at `address`, or the plan needs more than it has.
        """
        started_here = connect(
            address=self._address,
            working_dir=self._working_dir,
            workers=self._workers or 1,
            object_store_bytes=LOCAL_OBJECT_STORE_BYTES,
        )
        try:
            pools = self._plan(stages, len(items))
        except ValueError:
            if started_here:
                ray.shutdown()
            raise
        # After an error or an early end Ray Data's threads still run, and a thread that meets a cluster that is shut
        # down ends the whole process without a word. The interpreter's own exit takes the cluster down then.
        yield from _stream(pools, items)
        if started_here:
            ray.shutdown()

    def _plan(self, stages: Sequence[Stage], items: int) -> list[Pool]:
        there = ray.cluster_resources()
        cpus, gpus = there.get("CPU", 0.0), there.get("GPU", 0.0)
        return plan_pools(stages, cpus=cpus, gpus=gpus, items=items, workers=self._workers)


def _stream(pools: Sequence[Pool], items: Sequence[Any]) -> Iterator[Any]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = [{"item": ray.cloudpickle.dumps(item)} for item in items]
    dataset = ray.data.from_items(rows, override_num_blocks=max(1, len(rows)))
    for pool in pools:
        dataset = dataset.map_batches(
            _Worker,
            fn_constructor_args=(ray.cloudpickle.dumps(pool.stage),),
            batch_size=pool.stage.batch_items,
            # Two units in flight hide the hand-over; a third would only sit behind a long one.
            compute=ActorPoolStrategy(size=pool.workers, max_tasks_in_flight_per_actor=2),
            num_cpus=pool.cpus,  # Ray sets OMP_NUM_THREADS to it before numpy is loaded: no threads for small products
            num_gpus=pool.gpus,
        )
    for row in dataset.iter_rows():
        result = pickle.loads(row["item"])  # noqa: S301 - written by our own workers
        if isinstance(result, _Failure):
            raise result.error
        yield result


@dataclass(frozen=True, slots=True)
class _Failure:
    """An exception on its way to the driver, where Ray would hand over a text that wraps it twice."""

    error: Exception


class _Worker:
    """A stage inside an actor.

    Ray replaces an actor that died (out of memory, a crash in a decoder) and gives it the same item again, without end;
    a stage that may meet deadly items counts its own attempts.
    """

    def __init__(self, stage: bytes) -> None:
        self._stage: Stage = pickle.loads(stage)  # noqa: S301
        self._stage.setup()

    def __call__(self, batch: dict[str, np.ndarray[Any, Any]]) -> dict[str, list[bytes]]:
        items = [pickle.loads(packed) for packed in batch["item"]]  # noqa: S301
        failures = [item for item in items if isinstance(item, _Failure)]
        if failures:
            results: list[Any] = failures
        else:
            try:
                results = list(self._stage.process(items))
            except Exception as error:  # a bug: it goes to the driver whole, which stops the run
                error.add_note(traceback.format_exc())
                results = [_Failure(error)]
        return {"item": [ray.cloudpickle.dumps(result) for result in results]}
