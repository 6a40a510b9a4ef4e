"""Which cluster is meant: the one that RAY_ADDRESS names, or one that this user started with `ray start`.

Ray's own "auto" takes any cluster on the machine, of any user, and sends it the user's token.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster import ray_insides


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a cluster is said to be, and who says so."""

    address: str
    named: bool
    """By RAY_ADDRESS, as in a submitted job; else it is this user's own."""


def meant_by_auto() -> Found | None:
    """The cluster that a command joins unasked; whether it answers is another question. RAY_ADDRESS=local is none."""
    named = os.environ.get("RAY_ADDRESS", "")
    if named == "local":
        return None
    if named not in ("", "auto"):
        return Found(address=named, named=True)
    own = max(_started_here(), default=None)
    return None if own is None else Found(address=own[1], named=False)


def refuse_strangers(address: str) -> None:
    """See that no process of another user on this machine gets the token of this one.

    Raises:
        ValueError: one listens at `address`, and this user's own token would be sent there.
    """
    own_token = not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token" or not own_token:
        return
    strangers = listeners(address) - {os.getuid(), 0}
    if strangers:
        raise ValueError(
            f"{address}: user {min(strangers)} listens there, who must not get your token ~/.ray/auth_token; "
            "if that cluster has a token for you, let RAY_AUTH_TOKEN_PATH name its file"
        )


def listeners(address: str) -> set[int]:
    """The users whose processes listen at an address of this machine; nobody for one that is elsewhere."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit() or not _is_here(host.strip("[]")):
        return set()
    return {user for listening, user in _listening() if listening == int(port)}


def _started_here() -> Iterator[tuple[float, str]]:
    """When a node of this user's joined a cluster by `ray start`, and its address.

    Only `ray start` writes the file that names a cluster, once its node is up: a cluster that a program started for
    itself has none, and one that a dead cluster left is older than the node.
    """
    user = os.getuid()
    for node in ray_insides.nodes():
        try:
            if node.process.uids().real != user:
                continue
            started, file = node.process.create_time(), node.current_cluster
            told = file.stat()
            if told.st_uid != user or told.st_mtime < started or file.read_text().strip() != node.address:
                continue
        except (OSError, UnicodeDecodeError, psutil.Error):
            continue
        if listeners(node.address) <= {user}:
            yield started, node.address


def _is_here(host: str) -> bool:
    """Whether a host is this machine: a socket can be bound to its addresses alone."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(place)
    except OSError:
        return False
    return True


def _listening() -> Iterator[tuple[int, int]]:
    """Port and user of every listening TCP socket of this machine, as Linux tells everybody."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                _, local, _, state, _, _, _, user, *_ = line.split()
                if state == "0A":  # TCP_LISTEN
                    yield int(local.rpartition(":")[2], 16), int(user)
