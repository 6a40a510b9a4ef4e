"""Moves what was said by hand into the table of clips, once nothing more has been said for a moment.

Until then it is safe in its files (`pipelines.verdicts`). A process of its own does it: a table of a million clips
takes some seconds, in which the page is to be answered.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable

from pipelines.decide import take_in_verdicts

QUIET_SECONDS = 1.5
"""Without a word; longer where the last time took long, so that a large table is not written again and again."""
AGAIN_SECONDS = 10.0
"""Until the next try where another run has the manifest."""

_log = logging.getLogger("clipmill")


class Landing:
    """For one manifest. `landed` is called after each time."""

    def __init__(self, location: str, landed: Callable[[], None]) -> None:
        self._location, self._landed = location, landed
        self._changed = threading.Condition()
        self._due: float | None = None
        self._took = 0.0
        threading.Thread(target=self._run, daemon=True, name="landing").start()

    def said(self) -> None:
        """Something was said just now."""
        self._wait(max(QUIET_SECONDS, 3 * self._took))

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._due = time.monotonic() + seconds
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._due is None or self._due > time.monotonic():
                    self._changed.wait(None if self._due is None else self._due - time.monotonic())
                self._due = None
            began = time.monotonic()
            process = multiprocessing.get_context("spawn").Process(target=_take_in, args=(self._location,), daemon=True)
            process.start()
            process.join()
            self._took = time.monotonic() - began
            if process.exitcode == 0:
                self._landed()
            else:
                self._wait(AGAIN_SECONDS)


def _take_in(location: str) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        take_in_verdicts(location)
    except (ValueError, OSError) as error:
        _log.warning("what was said by hand is kept, and is not in the table yet: %s", error)
        raise SystemExit(1) from None
