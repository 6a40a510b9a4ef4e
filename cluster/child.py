"""The other side of `LocalEngine`: a process that runs a chain of stages over what it is handed, until it is told no
more. It dies with its parent."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import logging
import os
import pickle
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from cluster.stage import Stage

serving = False
"""Whether this process is such a child."""
_PR_SET_PDEATHSIG = 1
"""Of <linux/prctl.h>."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The first message to a child. After it come items, and None at the end."""

    modules: tuple[tuple[str, str | None], ...]
    """Name and file of modules to import before anything else."""
    stages: bytes
    """A pickled chain."""
    log_level: int


@dataclass(frozen=True, slots=True)
class Ready:
    """All stages are set up."""


@dataclass(frozen=True, slots=True)
class Results:
    """What the chain made of an item."""

    items: list[Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """What the chain raised."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody logged."""

    record: logging.LogRecord


def main(descriptor: int) -> None:
    """Serve the parent at the other end of a socket."""
    os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group, and the parent ends this one
    _die_with_parent()
    with contextlib.suppress(_ParentGoneError):
        _serve(_Line(Connection(descriptor)))


def _serve(line: _Line) -> None:
    orders: Orders = line.receive()
    global serving
    serving = True
    logging.getLogger().setLevel(orders.log_level)
    logging.getLogger().addHandler(_Forward(line))
    try:
        for name, file in orders.modules:
            _import(name, file)
        chain: Stage = pickle.loads(orders.stages)  # noqa: S301 - of our own parent
        chain.setup()
        with contextlib.closing(chain):
            line.send(Ready())
            for item in iter(line.receive, None):
                line.send(Results(list(chain.process([item]))))
    except _ParentGoneError:
        raise
    except Exception as error:
        line.send(Failed(_portable(error)))


class _ParentGoneError(Exception):
    """Nobody is there any more to work for."""


class _Line:
    """A connection that several threads may write to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def receive(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise _ParentGoneError from None

    def send(self, message: Any) -> None:
        packed = pickle.dumps(message)
        try:
            with self._lock:
                self._connection.send_bytes(packed)
        except (BrokenPipeError, ConnectionResetError):
            raise _ParentGoneError from None


class _Forward(logging.Handler):
    """Hands records to the parent, which knows what is to be shown and how."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        with contextlib.suppress(_ParentGoneError):
            self._line.send(Said(record))


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note, or where it does not travel, a text of it."""
    note = "".join(traceback.format_exception(error))
    error.add_note(note)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
        error.add_note(note)
    return error


def _import(name: str, file: str | None) -> None:
    """The module by its name where a fresh interpreter finds that same one, else by its file."""
    if name == "__main__":
        _from_file("__mp_main__", file)
        sys.modules[name] = sys.modules["__mp_main__"]
        return
    try:
        module = importlib.import_module(name)
    except ImportError:
        module = None
    if module is None or getattr(module, "__file__", None) != file:
        _from_file(name, file)


def _from_file(name: str, file: str | None) -> None:
    spec = None if file is None else importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{name} is no file, so a worker process cannot import what is defined in it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that ends. Elsewhere than on Linux it finds out
    when it has something to say."""
    parent = os.getppid()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel had been told
            os._exit(1)
