"""The stages in a child of this process, which is replaced when it dies: whatever a file does to native code, the run
goes on."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Generator, Iterable, Sequence
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any

from cluster import child as other_side
from cluster.child import Failed, Orders, Ready, Results, Said
from cluster.stage import Chain, Stage

END_SECONDS = 10.0
"""How long a child that has nothing left to do may take to give back what its stages took."""
MOST_STARTS = 3
"""A child that dies so often before it is ready will not be better."""
MOST_DEATHS = 1000
"""By one item: a stage that may meet deadly items counts its own attempts, this is against one that does not."""


_log = logging.getLogger("clipmill")


class LocalEngine:
    """One child, one item after the other. No cluster, no copies of frames, and the cost of a start: half a second.

    `modules` are those that the stages' records come from and that a fresh interpreter may not find by their name.
    """

    replaces_workers = True

    def __init__(self, modules: Iterable[ModuleType] = ()) -> None:
        self._modules = tuple((module.__name__, getattr(module, "__file__", None)) for module in modules)

    def run(self, stages: Sequence[Stage], items: Sequence[Any]) -> Generator[Any, None, None]:
        """Process items in order; None is not one.

        Raises:
            RuntimeError: the child cannot start, or one item kills it for ever. What a stage raises is raised here.
        """
        if other_side.serving:
            raise RuntimeError("a script that runs the local engine must do so below `if __name__ == '__main__':`")
        orders = Orders(
            modules=self._modules, stages=pickle.dumps(Chain(stages)), log_level=logging.getLogger().getEffectiveLevel()
        )
        waiting, child = iter(items), _Child(orders)
        deaths, starts = 0, 1
        try:
            item = next(waiting, None)
            child.send(item)
            while item is not None:
                results = child.results()
                if results is None:
                    status = child.end()
                    _log.info("the worker process died (status %d); another one takes its place", status)
                    deaths, starts = deaths + 1, 1 if child.was_ready else starts + 1
                    if starts > MOST_STARTS or deaths > MOST_DEATHS:
                        raise RuntimeError(f"the worker process dies again and again, at last with status {status}")
                    child = _Child(orders)
                    child.send(item)
                    continue
                deaths, item = 0, next(waiting, None)
                child.send(item)  # before anybody looks at the results, so that nobody waits for it
                yield from results
            child.finish()
        finally:
            child.end()


class _Child:
    """A process that runs the chain, and the line to it."""

    def __init__(self, orders: Orders) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            # Its interpreter starts as bare as this one did; what it imports is what the stages come from.
            code = f"import sys; sys.path[:] = {sys.path!r}; from cluster.child import main; main({theirs.fileno()})"
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", code], pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL
            )
            self._line = Connection(os.dup(ours.fileno()))
        self.was_ready = False
        self.send(orders)

    def send(self, message: Any) -> None:
        """Hand over an item; one that has died is found out when it is listened to."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._line.send(message)

    def results(self) -> Sequence[Any] | None:
        """What became of the item that it was handed first; None where it died of it."""
        while True:
            try:
                # a child of the child may hold the line open
                while not wait([self._line], timeout=1.0):
                    if self._process.poll() is not None and not self._line.poll():
                        return None
                message = self._line.recv()
            except (EOFError, OSError, pickle.UnpicklingError):
                return None
            if isinstance(message, Ready):
                self.was_ready = True
            elif isinstance(message, Said):
                logger = logging.getLogger(message.record.name)
                if logger.isEnabledFor(message.record.levelno):
                    logger.handle(message.record)
            elif isinstance(message, Failed):
                raise message.error
            elif isinstance(message, Results):
                return message.items

    def finish(self) -> None:
        """Let it close its stages, once it has been handed None."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)

    def end(self) -> int:
        """End it at once, if it is still there; its exit status, negative for a signal. What it has not stored is done
        again."""
        self._process.kill()
        self._line.close()
        return self._process.wait()
