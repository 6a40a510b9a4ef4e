"""All processes that descend from one that began a session: they stay in it, whoever their parent is by then."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import psutil

GONE_SECONDS = 5.0
"""How long killed processes are waited for; one that the kernel holds in a call to a device may take longer."""


def kill_session(session: int) -> None:
    """Kill every process of a session but this one, until none is left, those that are being started included."""
    deadline = time.monotonic() + GONE_SECONDS
    while (alive := _alive(session)) and time.monotonic() < deadline:
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _alive(session: int) -> list[int]:
    return [pid for pid in psutil.pids() if pid != os.getpid() and _belongs(pid, session)]


def _belongs(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):  # gone meanwhile, or another user's
        return False
