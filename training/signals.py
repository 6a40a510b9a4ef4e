"""A wish to stop, heard between steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(SystemExit):
    """The run was told to stop, and made a checkpoint first; its code is that of the signal, 143 for SIGTERM."""


class StopWish:
    """Whether this process was told to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._process = os.getpid()

    def heard(self, number: int, frame: FrameType | None) -> None:
        """Take note; a second one of the same kind ends the process as it would without us."""
        if os.getpid() == self._process:
            self.signal = number
            signal.signal(number, signal.SIG_DFL)
        elif number == signal.SIGTERM:
            # A process that reads data inherited this. Control-C reaches it too, and is for the trainer to hear.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextmanager
def stop_wish() -> Iterator[StopWish]:
    """Listen to SIGTERM and SIGINT. In a thread that cannot (Ray's workers) there is no wish to hear."""
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.signal(number, wish.heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
