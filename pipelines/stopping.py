"""Ctrl-C and SIGTERM end a command within seconds, whatever it is doing.

The main thread gets a KeyboardInterrupt, so that locks and tables are left in order. A library may swallow that, or
wait in native code for storage that does not answer: so a thread sends it again, and ends the process in the end.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Self

from pipelines.log_lines import log_event

SECONDS = 6.0
"""From the first signal to the end of the process, at most."""
AGAIN_SECONDS = 1.0
"""Between one interruption and the next; signals that come sooner than this after the first are one wish (`timeout`
sends two), later ones end the process at once."""

WRITE_SECONDS = 0.1
"""For a process that hands on what is written, until it is ended, too."""


class Stopping:
    """While it is entered, the signals are heard; `number` is the first of them."""

    def __init__(self, command: str) -> None:
        self.number: int | None = None
        self._sentence = f"{command}: stopped; run the same command again to resume"
        self._main = threading.main_thread()
        self._own = 0
        """Signals that this process sends itself and that are not somebody's wish."""
        self._leaving = False

    def __enter__(self) -> Self:
        self._hears, self._tells = socket.socketpair()
        self._tells.setblocking(False)
        # Python calls its handlers in the main thread only; this byte is written whatever that one waits for.
        self._wakeup_before = signal.set_wakeup_fd(self._tells.fileno(), warn_on_full_buffer=False)
        self._handlers_before = {n: signal.signal(n, self._interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
        self._hook_before = sys.unraisablehook
        sys.unraisablehook = self._ignored
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """The signals are as before, unless one came: then what is left of the process is still held to its time."""
        if self.number is None:
            signal.set_wakeup_fd(self._wakeup_before)
            sys.unraisablehook = self._hook_before
            for number, handler in self._handlers_before.items():
                signal.signal(number, handler)
            self._tells.close()

    def told(self) -> int:
        """Say how it goes on, and return the exit status."""
        assert self.number is not None
        self._leaving = True
        log_event("stopped", self._sentence, signal=self.number)
        return 128 + self.number

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        if not self._leaving and not _is_being_interrupted():
            raise KeyboardInterrupt

    def _ignored(self, error: sys.UnraisableHookArgs) -> None:
        """An interruption that met code which may raise nothing is sent again, and no news."""
        if not issubclass(error.exc_type, KeyboardInterrupt):
            self._hook_before(error)

    def _watch(self) -> None:
        number = self._next_signal(None)
        first = time.monotonic()
        while number is not None and (left := first + SECONDS - time.monotonic()) > 0:
            again = self._next_signal(min(left, AGAIN_SECONDS))
            if again is None:
                self._own += 1
                signal.pthread_kill(self._main.ident or 0, number)
            elif self._own:
                self._own -= 1
            elif time.monotonic() - first > AGAIN_SECONDS:
                break
        if number is not None:
            self._end(number)

    def _next_signal(self, seconds: float | None) -> int | None:
        """The next one that stops us, or None when the time is over."""
        self._hears.settimeout(seconds)
        while True:
            try:
                told = self._hears.recv(1)
            except TimeoutError:
                return None
            if not told:
                return None
            if told[0] in (signal.SIGINT, signal.SIGTERM):
                return told[0]

    def _end(self, number: int) -> None:
        """End without the main thread, and take along what it started."""
        import psutil

        os.write(2, f"{self._sentence}\n".encode())
        time.sleep(WRITE_SECONDS)
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os._exit(128 + number)


def _is_being_interrupted() -> bool:
    """Whether the main thread is leaving for the reason already, also where a library made another error of it."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
