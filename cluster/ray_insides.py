"""What we know of Ray that it does not promise, in one place: names of flags, files and variables. Seen in Ray 2.60."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

HEAD_PROCESSES = ("gcs_server", "raylet")
"""A cluster of one node is lost when one of these ends."""
LOOPBACK_ONLY: Mapping[str, str] = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Where clusters of several machines are not to be had, all that Ray starts listens on 127.0.0.1. Read at import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A raylet on this machine, whoever runs it."""

    process: psutil.Process
    address: str
    """Of the cluster's head."""
    current_cluster: Path
    """The file in which `ray start` leaves the address."""


def nodes() -> Iterator[Node]:
    """All that `ps` shows of nodes; what other users' processes say of themselves is theirs to say."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] != "raylet":
            continue
        flags = dict(word.split("=", 1) for word in process.info["cmdline"] or () if "=" in word)
        if flags.get("--gcs-address") and flags.get("--temp_dir"):
            file = Path(flags["--temp_dir"]) / "ray_current_cluster"
            yield Node(process=process, address=flags["--gcs-address"], current_cluster=file)


def answer(address: str, seconds: float) -> str:
    """What becomes of a call to a cluster's head, by gRPC's names for it, such as OK or UNAVAILABLE.

    An open port would not say: it may be another program's, or of a head that hangs. Where RAY_AUTH_MODE=token, Ray
    sends the token along.
    """
    import grpc
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated.gcs_service_pb2 import GetClusterIdRequest
    from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

    channel = init_grpc_channel(address, [("grpc.enable_http_proxy", 0)])  # as Ray's own client does
    try:
        NodeInfoGcsServiceStub(channel).GetClusterId(GetClusterIdRequest(), timeout=seconds)
    except grpc.RpcError as error:
        return str(error.code().name)
    finally:
        channel.close()
    return "OK"


def was_too_slow(error: Exception) -> bool:
    """Whether a cluster did not come up in the time that Ray gives it."""
    return "timed out during startup" in str(error)


def kill_cluster_in(folder: str | None) -> None:
    """End what this process has started of a cluster whose files are in a folder: Ray leaves it when it gives up."""
    killed = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if folder is not None and any(folder in word for word in process.cmdline()):
                process.kill()
                killed.append(process)
    psutil.wait_procs(killed, timeout=5)


def send_token() -> None:
    """Let this process send the user's token from here on, as Ray does for its "auto"."""
    os.environ["RAY_AUTH_MODE"] = "token"
    read_variables()


def read_variables() -> None:
    """Have Ray read anew what it read of the environment when it was imported."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined] # its stubs have neither

    (variable,) = LOOPBACK_ONLY
    ray_constants.ENABLE_RAY_CLUSTER = os.environ.get(variable, "1") != "0"
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
