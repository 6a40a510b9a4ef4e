"""Join a Ray cluster, or start one on this machine's cores for as long as it is needed."""

from __future__ import annotations

import logging
import os
from typing import Any

import ray


def connect(*, address: str | None, working_dir: str, workers: int, object_store_bytes: int | None = None) -> bool:
    """Join the cluster at `address` ("auto" for the one that runs on this machine or that this job belongs to), or
    start one where it is None, with a core for each of `workers` at least. True where this call did either.

    Raises:
        ConnectionError: there is no cluster at `address`.
    """
    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # Ray's coming default: workers that book no GPU keep their environment; else it warns at every start
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(
            address="local",
            num_cpus=max(workers, os.cpu_count() or 1),
            include_dashboard=False,
            object_store_memory=object_store_bytes,
            **quiet,
        )
    else:
        # a submitted job has its working directory already; from anywhere else the code must travel
        in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
        runtime_env = {} if in_job else {"working_dir": working_dir, "excludes": [".venv", ".git", "demo"]}
        ray.init(address=address, runtime_env=runtime_env, **quiet)
    return True


def cluster_is_running() -> bool:
    """Whether RAY_ADDRESS names a cluster (as in a submitted job), or one runs on this machine."""
    if os.environ.get("RAY_ADDRESS"):
        return True
    from ray._private.services import find_gcs_addresses  # what address="auto" itself looks at

    return bool(find_gcs_addresses())
