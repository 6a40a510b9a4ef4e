"""Join a Ray cluster, or start one on this machine's cores for as long as it is needed."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from cluster import ray_insides
from cluster.found import meant_by_auto, refuse_strangers

ANSWER_SECONDS = 5.0
"""How long a cluster may take to say that it is there. Ray's own client waits 40 s, also where nobody listens."""

STARTS = 3
"""Ray gives the first processes of a cluster 30 s to find each other, in no variable, and a busy machine takes more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cluster to join, or where `address` is None one to start, with a core for each of `workers` at least."""

    address: str | None
    working_dir: str
    workers: int
    folder: str | None = None
    """For the sockets and logs of one that is started, and of no other."""
    object_store_bytes: int | None = None


def located(address: str | None) -> str | None:
    """A cluster's address, with "auto" spelt out, which answers there.

    Where it is the user's own cluster, this process sends the user's token from here on, if there is one.

    Raises:
        ValueError: no cluster answers at `address`, it wants a token that is not sent, or is another user's who must
            not have it.
    """
    if address != "auto":
        meant = address
    else:
        found = meant_by_auto()
        if found is None:
            raise ValueError("no Ray cluster of yours runs on this machine, and RAY_ADDRESS names none")
        meant = found.address
        if not found.named and "RAY_AUTH_MODE" not in os.environ and _has_token():
            ray_insides.send_token()
    if meant is None or "://" in meant:  # another protocol, whose own wait is bounded
        return meant
    refuse_strangers(meant)
    status = ray_insides.answer(meant, ANSWER_SECONDS)
    if status == "UNAUTHENTICATED":
        raise ValueError(f"{meant}: the Ray cluster there wants a token; RAY_AUTH_MODE=token sends ~/.ray/auth_token")
    if status != "OK":
        raise ValueError(f"{meant}: no Ray cluster answers there within {ANSWER_SECONDS:g} s ({status})")
    return meant


def connect(place: Place) -> bool:
    """Join the cluster, or start one. True where this call did either.

    Raises:
        ValueError: as `located`.
    """
    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = located(place.address)
    if address is None:
        _start(
            num_cpus=max(place.workers, os.cpu_count() or 1),
            include_dashboard=False,
            object_store_memory=place.object_store_bytes,
            _temp_dir=place.folder,
            **quiet,
        )
    else:
        # a submitted job has its working directory already; from anywhere else the code must travel
        in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
        excludes = _all_but_code(place.working_dir)
        runtime_env = {} if in_job else {"working_dir": place.working_dir, "excludes": excludes}
        ray.init(address=address, runtime_env=runtime_env, **quiet)
    return True


def _start(**options: Any) -> None:
    """Start a cluster: on a machine that was too busy for it, once more."""
    for left in reversed(range(STARTS)):
        try:
            ray.init(address="local", **options)
        except Exception as error:
            if not (left and ray_insides.was_too_slow(error)):
                raise
            ray_insides.kill_cluster_in(options["_temp_dir"])
        else:
            return


def cluster_is_running() -> bool:
    """Whether RAY_ADDRESS names a cluster (as in a submitted job), or one that this user started answers."""
    found = meant_by_auto()
    if found is None or found.named:
        return found is not None
    return ray_insides.answer(found.address, ANSWER_SECONDS) in ("OK", "UNAUTHENTICATED")


def cluster_answers(address: str) -> bool:
    """Whether the head of the cluster at an address, or "auto", that was joined before is still there."""
    try:
        return located(address) is not None
    except ValueError:
        return False


def _has_token() -> bool:
    named = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    return bool(named) or Path("~/.ray/auth_token").expanduser().exists()


def _all_but_code(folder: str) -> list[str]:
    """What in a folder is neither module nor package, as patterns to leave out: runs may be of any size."""
    others = (
        entry
        for entry in sorted(Path(folder).iterdir())
        if entry.suffix != ".py" and next(entry.glob("*.py"), None) is None
    )
    return [f"/{re.escape(entry.name)}" for entry in others]
