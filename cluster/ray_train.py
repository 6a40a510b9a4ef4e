"""A function on several workers that share a torch process group, by Ray Train; it knows nothing of training."""

from __future__ import annotations

import os
from collections.abc import Callable

import ray
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from cluster.connection import connect

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
) -> None:
    """Call a function that pickles once in each of `workers` processes, where torch.distributed is set up.

    `address` is a cluster's, "auto" for the one that runs on this machine or that this job belongs to, or None to start
    a local one for the time of the call. `storage` is an absolute folder, which all nodes see, for Ray's own notes.
    After a worker was lost all are started again, up to `restarts` times: the function goes on from its checkpoints.

    Raises:
        ValueError: `workers` is not positive, or the cluster has not what they need.
        ray.train.TrainingFailedError: a worker failed more often than that; it tells with what.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers asked for, at least 1 is needed")
    # The API that newer Ray has anyway; must be there before the first trainer is made.
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    started_here = connect(address=address, working_dir=working_dir, workers=workers)
    try:
        _require(workers * CPUS_BOOKED, workers * gpus_per_worker)
        resources = {"CPU": CPUS_BOOKED} | ({"GPU": gpus_per_worker} if gpus_per_worker else {})
        trainer = TorchTrainer(
            _Call(function),
            scaling_config=ScalingConfig(
                num_workers=workers, use_gpu=gpus_per_worker > 0, resources_per_worker=resources
            ),
            # Checkpoints talk on the host while steps do on the device, so there are both.
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus_per_worker else "gloo"),
            run_config=RunConfig(storage_path=storage, failure_config=FailureConfig(max_failures=restarts)),
        )
        trainer.fit()
    finally:
        if started_here:
            ray.shutdown()


class _Call:
    """Ray Train asks for a function of its own kind, without arguments or with a dict."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def __call__(self) -> None:
        self._function()


def _require(cpus: float, gpus: float) -> None:
    """Refuse what Ray would wait for without end."""
    there = ray.cluster_resources()
    if cpus > there.get("CPU", 0.0) or gpus > there.get("GPU", 0.0):
        raise ValueError(
            f"the workers need {cpus:g} CPUs and {gpus:g} GPUs, and there are {there.get('CPU', 0.0):g} CPUs and "
            f"{there.get('GPU', 0.0):g} GPUs"
        )
