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
        self._heard: int | None = None
        self._process = os.getpid()

    @property
    def signal(self) -> int | None:
        """Its number, or None as long as nobody wishes to stop."""
        return self._heard or (_told[0] if _told else None)

    def heard(self, number: int, frame: FrameType | None) -> None:
        """Take note; a second one of the same kind ends the process as it would without us."""
        if os.getpid() == self._process:
            self._heard = number
            signal.signal(number, signal.SIG_DFL)
        elif number == signal.SIGTERM:
            # A process that reads data inherited this. Control-C reaches it too, and is for the trainer to hear.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


_told: list[int] = []


def tell(number: int) -> None:
    """Wish that this process's training stops as if it had heard a signal: for a launcher that hears it elsewhere.

    It may come from any thread, and before the first step.
    """
    _told.append(number)


@contextmanager
def stop_wish() -> Iterator[StopWish]:
    """Listen to SIGTERM and SIGINT, and to `tell`; to that alone in a thread that no signal reaches (Ray's workers)."""
    wish = StopWish()
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, wish.heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield wish
    finally:
        _told.clear()
        for number, handler in before.items():
            signal.signal(number, handler)
