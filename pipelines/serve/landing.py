"""Moves what was said by hand into the table of clips, once nothing more has been said for a moment.

Until then it is safe in its files (`pipelines.verdicts`). A process of its own does it: a table of a million clips
takes some seconds, in which the page is to be answered.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.decide import take_in_verdicts
from pipelines.log_lines import start_log
from preprocess.io.names import imported

ROOT = Path(__file__).resolve().parents[2]
"""Where our packages are imported from."""

QUIET_SECONDS = 1.5
"""Without a word; longer where the last time took long, so that a large table is not written again and again."""
AGAIN_SECONDS = 10.0
"""Until the next try where another run has the manifest."""

_log = logging.getLogger("clipmill")


class Landing:
    """For one manifest, whose recipe needs the modules `plug_ins`. `landed` is called after each time."""

    def __init__(self, location: str, landed: Callable[[], None], plug_ins: Sequence[str] = ()) -> None:
        self._command = [sys.executable, "-c", _CHILD, os.fspath(ROOT), location, *plug_ins]
        self._landed = landed
        self._changed = threading.Condition()
        self._due: float | None = None
        self._took = 0.0
        self._stopped = False
        threading.Thread(target=self._run, daemon=True, name="landing").start()

    def said(self) -> None:
        """Something was said just now."""
        self._wait(max(QUIET_SECONDS, 3 * self._took))

    def stop(self) -> None:
        """Begin nothing more. What is under way comes to its end by itself, and what is not waits in its files."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._due = time.monotonic() + seconds
            self._changed.notify()

    def _run(self) -> None:
        while not self._stopped:
            with self._changed:
                while not self._stopped and (self._due is None or self._due > time.monotonic()):
                    self._changed.wait(None if self._due is None else self._due - time.monotonic())
                if self._stopped:
                    return
                self._due = None
            began = time.monotonic()
            # in a session of its own: Ctrl-C ends the server, and lets this come to its end
            process = subprocess.run(self._command, check=False, start_new_session=True)  # noqa: S603 - our own code
            self._took = time.monotonic() - began
            if process.returncode == 0:
                self._landed()
            else:
                self._wait(AGAIN_SECONDS)


_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from pipelines.serve.landing import take_in; sys.exit(take_in(*sys.argv[2:]))"
)


def take_in(location: str, *plug_ins: str) -> int:
    """Once, in that process; its exit status."""
    start_log(as_json=False)
    try:
        for name in plug_ins:
            imported(name)
        take_in_verdicts(location)
    except (ValueError, OSError) as error:
        _log.warning("what was said by hand is kept, and is not in the table yet: %s", error)
        return 1
    return 0
