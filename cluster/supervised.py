"""A process that may end at any time, and one that sees to it: the child drives Ray, the parent never hangs with it."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import psutil

from cluster.ray_insides import HEAD_PROCESSES
from cluster.sessions import kill_session

LOOK_SECONDS = 0.5
"""Between two looks at whether the processes of the head are still there."""
LEAVE_SECONDS = 5.0
"""What the child has to leave a cluster that goes on without it."""
TAIL_BYTES = 2000


class EndedError(Exception):
    """The child, or a part of the cluster that it started, ended before it had said so."""


class Supervised:
    """Runs `python -m module FD` and exchanges objects with it; what it prints is kept for the case that it fails.

    `own_cluster` says that its children `gcs_server` and `raylet` are its cluster, which lives and ends with it.
    """

    def __init__(self, module: str, *, root: str, environment: Mapping[str, str], own_cluster: bool) -> None:
        self._own_cluster = own_cluster
        self.starts = own_cluster
        """Until it is set to False the child may end processes of a head and start others."""
        self._head: dict[str, psutil.Process] = {}
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115
        here, there = socket.socketpair()
        paths = [root, os.environ.get("PYTHONPATH", "")]
        with there:
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                # -P: a folder of that name where the command was called must not be taken for ours
                [sys.executable, "-P", "-m", module, str(there.fileno())],
                env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
                stdin=subprocess.PIPE,
                stdout=self._printed,
                stderr=self._printed,
                pass_fds=[there.fileno()],
                start_new_session=True,  # Ctrl-C is for the command alone
            )
        self._channel = Connection(here.detach())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._own_cluster:
            kill_session(self._child.pid)
        assert self._child.stdin is not None
        with suppress(OSError):
            self._child.stdin.close()
        try:
            self._child.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._channel.close()
        self._printed.close()

    def send(self, message: Any) -> None:
        """Hand over an object that pickles.

        Raises:
            EndedError: the child is gone.
        """
        try:
            self._channel.send(message)
        except OSError:
            raise EndedError(self._how_it_ended()) from None

    def receive(self, seconds: float = math.inf) -> Any:
        """Wait for what the child sends next.

        Raises:
            EndedError: it, or its cluster, ended instead, or nothing came for so long.
        """
        deadline = time.monotonic() + seconds
        while not self._channel.poll(LOOK_SECONDS):
            self.look()
            if time.monotonic() > deadline:
                raise EndedError(f"nothing was heard of it for {seconds:g} s")
        try:
            return self._channel.recv()
        except (EOFError, OSError):
            raise EndedError(self._how_it_ended()) from None

    def look(self) -> None:
        """See that the cluster which the child started is there.

        Raises:
            EndedError: a process of its head ended.
        """
        if not self._own_cluster or self.starts:
            return
        with suppress(psutil.Error):
            for process in psutil.Process(self._child.pid).children():
                if (name := process.name()) in HEAD_PROCESSES:
                    self._head.setdefault(name, process)
        for name, process in self._head.items():
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise EndedError(f"its {name} ended")

    def _how_it_ended(self) -> str:
        """In words."""
        try:
            status = self._child.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            return "its driver fell silent"
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, size - TAIL_BYTES))
        tail = self._printed.read().decode(errors="replace").strip()
        # Ray ends a driver that lost its cluster with a page of its own; a traceback is something else
        return f"its driver ended with status {status}" + (f"; it said last:\n{tail}" if "Traceback" in tail else "")
