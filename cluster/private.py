"""The cluster that a run starts for itself: on loopback, behind a token and a folder that only this user can read."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.ray_insides import LOOPBACK_ONLY, read_variables

LONGEST_PLACE = 107 - 64 - len("/clipmill-12345678/ray")
"""Bytes; a socket's path may have 107, of which Ray takes 64 below its folder."""

GCS_WAIT, GCS_SECONDS = "RAY_gcs_server_port_wait_time_s", "120"
"""How long Ray waits for a cluster's first process; its own 20 s are too few where ten jobs share two cores."""

TELLS_ITS_MAKER = "RAY_USAGE_STATS_ENABLED"
"""Ray reports how it is used unless told otherwise."""


def environment() -> dict[str, str]:
    """Variables of the processes that make such a cluster, the driver's included; Ray reads them when it is imported.

    The token keeps other users of this machine out, who can reach loopback as well.
    """
    return {
        **LOOPBACK_ONLY,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # Ray's coming default: workers that book no GPU keep their environment; else it warns at every start
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": os.environ.get("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"),
        GCS_WAIT: os.environ.get(GCS_WAIT, GCS_SECONDS),
        TELLS_ITS_MAKER: os.environ.get(TELLS_ITS_MAKER, "0"),
    }


@contextmanager
def folder() -> Iterator[str]:
    """A folder for its sockets and logs, which nobody else can read, and which goes with it."""
    place = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    path = tempfile.mkdtemp(prefix="clipmill-", dir=place if len(os.fsencode(place)) <= LONGEST_PLACE else "/tmp")  # noqa: S108
    try:
        yield f"{path}/ray"  # Ray opens its own folder to everybody; the one around it stays shut
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove(path: str) -> None:
    """Delete such a folder for who yielded it and was killed."""
    shutil.rmtree(Path(path).parent, ignore_errors=True)


@contextmanager
def here() -> Iterator[str]:
    """Let this very process start such a cluster, in a folder that is yielded; afterwards it is as before."""
    before, ours = dict(os.environ), environment()
    with folder() as path:
        os.environ.update(ours)
        read_variables()
        try:
            yield path
        finally:
            for name in ours:
                os.environ.pop(name)
                if name in before:
                    os.environ[name] = before[name]
            read_variables()
