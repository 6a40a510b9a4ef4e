"""A function on several workers that share a torch process group, by Ray Train; it knows nothing of training."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import Any

import ray
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster import private
from cluster.connection import Place, connect

CPUS_BOOKED = 0.9
"""Of each worker's core: who books every CPU starves what else the cluster must start."""


def run_on_workers(
    function: Callable[[], None],
    *,
    workers: int,
    gpus_per_worker: float = 0.0,
    address: str | None,
    working_dir: str,
    storage: str,
    restarts: int = 0,
    on_signal: Callable[[int], None] | None = None,
) -> None:
    """Call a function that pickles once in each of `workers` processes, where torch.distributed is set up.

    `address` is a cluster's, "auto" for the one that RAY_ADDRESS names or that this user started with `ray start`, or
    None to start a private one for the time of the call; torch's own meeting point listens beyond it, on all addresses.
    `storage` is an absolute folder, which all nodes see, for Ray's own notes.

    After a worker was lost all are started again, up to `restarts` times: the function goes on from its checkpoints.

    `on_signal` is called in each worker, beside the function, with the number of a signal that this process heard:
    SIGTERM or SIGINT. A second one of the same kind ends this process.

    Raises:
        ValueError: `workers` is not positive, no cluster answers, it has not what they need, or the function raised it.
        SystemExit: the functions did, which must be all of them.
        ray.train.TrainingFailedError: a worker failed more often than that; it tells with what.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers asked for, at least 1 is needed")
    # The API that newer Ray has anyway; must be there before the first trainer is made.
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    own = address is None and not ray.is_initialized()
    with private.here() if own else nullcontext() as folder:
        started_here = connect(Place(address=address, working_dir=working_dir, workers=workers, folder=folder))
        try:
            _train(function, workers, gpus_per_worker, storage, restarts, on_signal)
        finally:
            if started_here:
                ray.shutdown()


def _train(
    function: Callable[[], None],
    workers: int,
    gpus_per_worker: float,
    storage: str,
    restarts: int,
    on_signal: Callable[[int], None] | None,
) -> None:
    _require(workers * CPUS_BOOKED, workers * gpus_per_worker)
    resources = {"CPU": CPUS_BOOKED} | ({"GPU": gpus_per_worker} if gpus_per_worker else {})
    desk = _desk_here()
    trainer = TorchTrainer(
        _Call(function, desk, on_signal),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus_per_worker > 0, resources_per_worker=resources),
        # Checkpoints talk on the host while steps do on the device, so there are both.
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus_per_worker else "gloo"),
        run_config=RunConfig(storage_path=storage, failure_config=FailureConfig(max_failures=restarts)),
    )
    with _forwarded_signals(desk):
        failure = _fit(trainer)
    left_with = ray.get(desk.left_with.remote())
    if left_with is not None:
        raise left_with
    if failure is not None:
        raise _mistake(failure) or failure


def _mistake(failure: BaseException) -> ValueError | None:
    """The user's mistake behind a failure, if it was one. What workers raise while Ray ends them is not in there."""
    errors = failure.worker_failures.values() if isinstance(failure, ray.train.WorkerGroupError) else ()
    return next((ValueError(str(error)) for error in errors if isinstance(error, ValueError)), None)


def _fit(trainer: TorchTrainer) -> BaseException | None:
    """Train, and return what went wrong. In a thread, since on the main one Ray ends at once at Control-C."""
    failures: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    thread.join()
    return failures[0] if failures else None


@contextmanager
def _forwarded_signals(desk: Any) -> Iterator[None]:
    """Pass SIGTERM and SIGINT on to the workers; a thread that cannot hear them leaves them as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def forward(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        desk.tell.remote(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Desk:
    """An actor between this process and its workers: a signal goes one way, the exit they ended with the other."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._told = asyncio.Event()
        self._left_with: SystemExit | None = None

    async def tell(self, number: int) -> None:
        self._signal = number
        self._told.set()

    async def told(self) -> int | None:
        """Wait for the signal."""
        await self._told.wait()
        return self._signal

    async def leave(self, left_with: SystemExit) -> None:
        """Keep the first exit that a worker ended with."""
        self._left_with = self._left_with or left_with

    async def left_with(self) -> SystemExit | None:
        return self._left_with


def _desk_here() -> Any:
    """A desk on this process's node, so that it is there for as long as this process is."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(_Desk).remote()


class _Call:
    """The function in the form that Ray Train calls."""

    def __init__(self, function: Callable[[], None], desk: Any, on_signal: Callable[[int], None] | None) -> None:
        self._function = function
        self._desk = desk
        self._on_signal = on_signal

    def __call__(self) -> None:
        if self._on_signal is not None:
            threading.Thread(target=self._listen, args=(self._on_signal,), daemon=True).start()
        try:
            self._function()
        except SystemExit as error:  # to Ray it would be a failure
            ray.get(self._desk.leave.remote(SystemExit(error.code)))

    def _listen(self, on_signal: Callable[[int], None]) -> None:
        with suppress(ray.exceptions.RayError):  # the run ended meanwhile
            on_signal(ray.get(self._desk.told.remote()))


def _require(cpus: float, gpus: float) -> None:
    """Refuse what Ray would wait for without end."""
    there = ray.cluster_resources()
    if cpus > there.get("CPU", 0.0) or gpus > there.get("GPU", 0.0):
        raise ValueError(
            f"the workers need {cpus:g} CPUs and {gpus:g} GPUs, and there are {there.get('CPU', 0.0):g} CPUs and "
            f"{there.get('GPU', 0.0):g} GPUs"
        )
