"""Processes that are made to be killed."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable


def ended(do: Callable[[], object], prepare: Callable[[], None]) -> int:
    """Do it in a process of its own that `prepare` may let die; its exit code."""

    def both() -> None:
        prepare()
        do()

    victim = multiprocessing.get_context("fork").Process(target=both)
    victim.start()
    victim.join()
    assert victim.exitcode in (0, -signal.SIGKILL)
    return victim.exitcode
