"""Runs stages on a Ray cluster, which is driven by a process of its own: this one outlives whatever becomes of it."""

from __future__ import annotations

import math
import pickle
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from typing import Any

import ray.cloudpickle

from cluster import private
from cluster.connection import Place, cluster_answers
from cluster.lost import ClusterLostError
from cluster.pools import Failure, PackedPool
from cluster.scaling import Pool, plan_pools
from cluster.stage import Stage
from cluster.supervised import EndedError, Supervised

LOCAL_OBJECT_STORE_BYTES = 256 << 20
"""Only work orders and rows pass through it; Ray would take 30 % of the machine's memory."""

WINDOW_ITEMS = 10_000
WINDOW_ITEMS_PER_WORKER = 100
"""Ray is handed so many items at a time: it has an object for each, and a million would take gigabytes. Between two
windows the workers wait for the last of them, and load their models again, which is little beside a hundred units."""

START_SECONDS = 300.0
"""How long starting or joining a cluster may take. Ray waits without end where the first worker is killed while it
starts (seen with Ray 2.60); a busy machine needs a quarter of a minute, slow disks more."""


class RayEngine:
    """Runs stages on a Ray cluster.

    `address` is a cluster's address, "auto" for the one that RAY_ADDRESS names or that this user started with `ray
    start`, or None to start a private one with this machine's cores for the time of the run.
    """

    replaces_workers = True

    def __init__(self, *, address: str | None, working_dir: str, workers: int | None = None) -> None:
        self._address = address
        self._working_dir = working_dir
        self._workers = workers

    def run(self, stages: Sequence[Stage], items: Sequence[Any]) -> Generator[Any, None, None]:
        """Yield results as units end, in any order.

        Raises:
            ValueError: no cluster answers at `address`, or the plan needs more than it has.
            ClusterLostError: the cluster ended in between.
        """
        own = self._address is None
        with ExitStack() as stack:
            place = Place(
                address=self._address,
                working_dir=self._working_dir,
                workers=self._workers or 1,
                folder=stack.enter_context(private.folder()) if own else None,
                object_store_bytes=LOCAL_OBJECT_STORE_BYTES,
            )
            environment = private.environment() if own else {}
            driver = stack.enter_context(
                Supervised("cluster.driver", root=self._working_dir, environment=environment, own_cluster=own)
            )
            try:
                driver.send(place)
                there = self._told(driver, START_SECONDS)
                driver.starts = False
                pools = self._plan(stages, there, len(items))
                window = max(WINDOW_ITEMS, WINDOW_ITEMS_PER_WORKER * max(pool.workers for pool in pools))
                for first in range(0, len(items), window):
                    some = [ray.cloudpickle.dumps(item) for item in items[first : first + window]]
                    driver.send((pools, some))
                    while (packed := self._told(driver)) is not None:
                        result = pickle.loads(packed)  # noqa: S301 - written by our own workers
                        if isinstance(result, Failure):
                            raise result.error
                        yield result
                driver.send(None)
            except EndedError as ended:
                which = "that this run had started" if own else f"at {self._address}"
                raise ClusterLostError(
                    f"the Ray cluster {which} was lost ({ended}); what is done stays done, run the same command again "
                    "to resume",
                    own=own,
                ) from None

    def _plan(self, stages: Sequence[Stage], there: dict[str, float], items: int) -> list[PackedPool]:
        pools = plan_pools(
            stages,
            cpus=there.get("CPU", 0.0),
            gpus=there.get("GPU", 0.0),
            items=items,
            workers=self._workers,
            grows=self._address is not None,
        )
        return [self._packed(pool) for pool in pools]

    def _packed(self, pool: Pool) -> PackedPool:
        return PackedPool(
            stage=ray.cloudpickle.dumps(pool.stage),
            batch_items=pool.stage.batch_items,
            workers=pool.workers,
            most=pool.most,
            cpus=pool.cpus,
            gpus=pool.gpus,
        )

    def _told(self, driver: Supervised, seconds: float = math.inf) -> Any:
        """What the driver says next.

        Raises:
            ValueError: that it was refused.
            RuntimeError: that Ray failed, on a cluster which is still there.
            EndedError: nothing.
        """
        word, what = driver.receive(seconds)
        if word == "refused":
            raise ValueError(what)
        if word == "failed":
            driver.look()
            if self._address is not None and not cluster_answers(self._address):
                raise EndedError("no answer from its head")
            raise RuntimeError(what)
        return what
