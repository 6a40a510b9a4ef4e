"""A run of the command line that is to be killed: all of its processes, and which of them a kill is meant for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"local": ("driver", "group", "worker"), "ray": ("driver", "group", "worker", "raylet", "gcs")}
"""By engine. `group` is all processes at once."""
_MARKS = {"worker": ("ray::", "cluster.child"), "raylet": ("raylet/raylet",), "gcs": ("gcs_server",)}
"""What the command line of such a process begins with or contains."""


class Victim:
    """A command, in a process group of its own."""

    def __init__(self, command: Sequence[str], *, at: int = 0, function: str = "anything") -> None:
        """With `at`, it kills itself at that step within a function; see `placed.py`."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this lives
        self._counts = Path(tempfile.gettempdir()) / f"steps-{os.getpid()}"
        arguments = [sys.executable, "-m", "benchmarks.kills.placed", str(at), function, str(self._counts), *command]
        self._process = subprocess.Popen(
            arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=self._errors, start_new_session=True
        )
        self._seen: dict[int, psutil.Process] = {}
        self.began = time.monotonic()

    def ended(self, limit_seconds: float) -> int | None:
        """Its exit status; None where it hangs, after which nothing of it is left."""
        while time.monotonic() - self.began < limit_seconds:
            self._look()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(0.2)
        self._end()
        self._process.wait()
        return None

    def strike_after(self, seconds: float, target: str) -> str | None:
        """SIGKILL a process of it, or all at once, so long after its beginning, or after there is one of the kind. What
        was struck; None where the run was faster."""
        since = self.began if target in ("driver", "group") else None
        while self._process.poll() is None:
            if since is None and self._found(target) is not None:
                since = time.monotonic()
            if since is not None and time.monotonic() - since >= seconds and self._strike(target):
                return target
            time.sleep(0.02)
        return None

    def _strike(self, target: str) -> bool:
        if target == "driver":
            self._process.kill()
        elif target == "group":
            self._look()
            self._end()
        else:
            process = self._found(target)
            if process is None:
                return False
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return True

    def _found(self, target: str) -> psutil.Process | None:
        self._look()
        return next((process for process in self._seen.values() if _is(process, target)), None)

    def _end(self) -> None:
        self._process.kill()
        for process in self._seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def survivors(self, patience_seconds: float) -> list[str]:
        """Its processes that are still there after so long; they are ended."""
        until = time.monotonic() + patience_seconds
        while (living := [process for process in self._seen.values() if _lives(process)]) and time.monotonic() < until:
            time.sleep(0.1)
        names = []
        for process in living:
            with contextlib.suppress(psutil.NoSuchProcess):
                names.append(" ".join(process.cmdline())[:100])
                process.kill()
        return names

    def said(self) -> str:
        """Its standard error."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def steps(self) -> int:
        """How many steps a run took that was not to die."""
        return int(self._counts.read_text())

    def _look(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                self._seen.setdefault(process.pid, process)


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _is(process: psutil.Process, target: str) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        line = " ".join(process.cmdline())
        return _lives(process) and any(mark in line for mark in _MARKS[target])
    return False
