"""Join a Ray cluster, or start one on this machine's cores for as long as it is needed."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import ray

ANSWER_SECONDS = 5.0
"""How long a cluster may take to say that it is there. Ray's own client waits 40 s, also where nobody listens."""


def send_along(modules: Iterable[ModuleType]) -> None:
    """Have what these modules define travel by value: of files, workers have only those of our packages."""
    for module in modules:
        ray.cloudpickle.register_pickle_by_value(module)


def connect(*, address: str | None, working_dir: str, workers: int, object_store_bytes: int | None = None) -> bool:
    """Join the cluster at `address` ("auto" for the one that runs on this machine or that this job belongs to), or
    start one where it is None, with a core for each of `workers` at least. True where this call did either.

    Raises:
        ValueError: no cluster answers at `address`, or it wants a token that Ray will not send.
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
        runtime_env = {} if in_job else {"working_dir": working_dir, "excludes": _all_but_code(working_dir)}
        _require_answer(address)
        ray.init(address=address, runtime_env=runtime_env, **quiet)
    return True


def cluster_is_running() -> bool:
    """Whether RAY_ADDRESS names a cluster (as in a submitted job), or one with a node on this machine answers."""
    if os.environ.get("RAY_ADDRESS", "auto") not in ("", "auto"):
        return True
    from ray._private.services import find_gcs_addresses

    meant = _meant_by_auto()
    return meant is not None and bool(find_gcs_addresses()) and _status(meant) in ("OK", "UNAUTHENTICATED")


def _all_but_code(folder: str) -> list[str]:
    """What in a folder is neither module nor package, as patterns to leave out: runs may be of any size."""
    others = (
        entry
        for entry in sorted(Path(folder).iterdir())
        if entry.suffix != ".py" and next(entry.glob("*.py"), None) is None
    )
    return [f"/{re.escape(entry.name)}" for entry in others]


def _require_answer(address: str) -> None:
    """Refuse what Ray would wait for."""
    meant = _meant_by_auto() if address == "auto" else address
    if meant is None:
        raise ValueError("no Ray cluster runs on this machine, and RAY_ADDRESS names none")
    if "://" in meant:  # another protocol, whose own wait is bounded
        return
    status = _status(meant)
    if status == "UNAUTHENTICATED" and address != "auto":
        raise ValueError(f"{meant}: the Ray cluster there wants a token; RAY_AUTH_MODE=token sends ~/.ray/auth_token")
    if status not in ("OK", "UNAUTHENTICATED"):  # to "auto" Ray brings the token by itself
        raise ValueError(f"{meant}: no Ray cluster answers there within {ANSWER_SECONDS:g} s ({status})")


def _meant_by_auto() -> str | None:
    """The address that `ray.init("auto")` takes, from processes and a file; its cluster may be gone."""
    from ray._private import services

    getattr(services.find_gcs_addresses, "cache_clear", lambda: None)()  # newer Ray keeps what it found once
    try:
        address: str = services.get_ray_address_from_environment("auto", None)
    except ConnectionError:
        return None
    return address


def _status(address: str) -> str:
    """What becomes of a call to a cluster's head, by gRPC's names for it, such as OK or UNAVAILABLE.

    An open port would not say: it may be another program's, or of a head that hangs.
    """
    import grpc
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated.gcs_service_pb2 import GetClusterIdRequest
    from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

    channel = init_grpc_channel(address, [("grpc.enable_http_proxy", 0)])  # as Ray's own client does
    try:
        NodeInfoGcsServiceStub(channel).GetClusterId(GetClusterIdRequest(), timeout=ANSWER_SECONDS)
    except grpc.RpcError as error:
        return str(error.code().name)
    finally:
        channel.close()
    return "OK"
