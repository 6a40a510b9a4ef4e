"""Stages as actor pools under Ray Data's streaming executor: back-pressure, scaling and restarts are Ray's."""

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

from cluster.metrics import Meters
from cluster.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedPool:
    """`workers` copies of a pickled stage, up to `most` where the cluster grows, each booking `cpus` and `gpus`."""

    stage: bytes
    batch_items: int
    workers: int
    most: int
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception on its way to the driver, where Ray would hand over a text that wraps it twice."""

    error: Exception


def stream(pools: Sequence[PackedPool], items: Sequence[bytes]) -> Iterator[bytes]:
    """Yield pickled results, or a pickled `Failure`, in any order."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    dataset = ray.data.from_items([{"item": item} for item in items], override_num_blocks=max(1, len(items)))
    for pool in pools:
        dataset = dataset.map_batches(
            _Worker,
            fn_constructor_args=(pool.stage,),
            batch_size=pool.batch_items,
            # Two units in flight hide the hand-over; a third would only sit behind a long one.
            compute=ActorPoolStrategy(min_size=pool.workers, max_size=pool.most, max_tasks_in_flight_per_actor=2),
            num_cpus=pool.cpus,  # Ray sets OMP_NUM_THREADS to it before numpy is loaded: no threads for small products
            num_gpus=pool.gpus,
        )
    # fetched ahead, a result would wait for the next one, which may take an hour
    for batch in dataset.iter_batches(batch_size=None, prefetch_batches=0):
        yield from batch["item"]


class _Worker:
    """A stage inside an actor.

    Ray replaces an actor that died (out of memory, a crash in a decoder) and gives it the same item again, without end;
    a stage that may meet deadly items counts its own attempts.
    """

    def __init__(self, stage: bytes) -> None:
        self._stage: Stage = pickle.loads(stage)  # noqa: S301
        self._stage.setup()
        self._meters = Meters()

    def __call__(self, batch: dict[str, np.ndarray[Any, Any]]) -> dict[str, list[bytes]]:
        items = [pickle.loads(packed) for packed in batch["item"]]  # noqa: S301
        failures = [item for item in items if isinstance(item, Failure)]
        if failures:
            results: list[Any] = failures
        else:
            try:
                results, seconds = self._stage.timed(items)
                self._meters.took(seconds)
                self._meters.count(self._stage.counts(results))
            except Exception as error:  # a bug: it goes to the driver whole, which stops the run
                error.add_note(traceback.format_exc())
                results = [Failure(error)]
        return {"item": [ray.cloudpickle.dumps(result) for result in results]}
