"""The driver's side of OUT/status.json: every few seconds a run says how far it is, and at its end how it ended.

It is written by a thread of its own, so that storage that is slow or gone holds nothing up and ends no run.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelines.run_status import RunStatus, State, now, write_status
from preprocess.errors import slug

if TYPE_CHECKING:  # who looks at a status must not load what decodes
    from pipelines.clips.stages import UnitSummary

BEAT_SECONDS = 5.0
LAST_WORDS_SECONDS = 3.0
"""How long the end of a run may wait for its last words to be stored."""

_log = logging.getLogger("clipmill")


class Heartbeat:
    """The status of this process's run over one manifest, kept up to date and stored every `BEAT_SECONDS`."""

    def __init__(self, out: str, *, command: str, subject: str | None = None) -> None:
        began = now().isoformat(timespec="seconds")
        self._status = RunStatus(
            command=command, subject=subject, host=socket.gethostname(), process=os.getpid(), began=began, beat=began
        )
        self._out = out
        self._working_since: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    @property
    def status(self) -> RunStatus:
        """As of now."""
        status = self._status
        if self._working_since is None:
            return status
        return replace(status, working_seconds=time.monotonic() - self._working_since)

    def begin(
        self,
        *,
        units_all: int,
        bytes_all: int = 0,
        files_all: int | None = None,
        files_waiting: int | None = None,
    ) -> None:
        """The work is known, and handed out from now on."""
        self._working_since = time.monotonic()
        self._status = replace(
            self._status,
            phase="working",
            units_all=units_all,
            bytes_all=bytes_all,
            files_all=files_all,
            files_waiting=files_waiting,
        )

    def add(self, summary: UnitSummary, *, num_bytes: int = 0) -> None:
        """Count a finished unit of so many bytes."""
        before = self._status
        reasons = Counter(slug(reason) for reason in summary.failed_sources.values())
        self._status = replace(
            before,
            units_done=before.units_done + 1,
            bytes_done=before.bytes_done + num_bytes,
            video_seconds_done=before.video_seconds_done + summary.source_seconds,
            clips_found=before.clips_found + summary.clips,
            clips_kept=before.clips_kept + summary.kept,
            clips_left_out=before.clips_left_out + len(summary.left_out),
            failures=dict(Counter(before.failures) + reasons),
        )

    def turn_to(self, phase: str) -> None:
        """All units are done; now something else is."""
        self._status = replace(self.status, phase=phase)
        self._working_since = None

    def end(self, state: State, reason: str | None = None) -> None:
        """The last words."""
        self.turn_to("done" if state == "finished" else self._status.phase)
        self._status = replace(self._status, state=state, reason=reason)
        self._ended.set()
        self._thread.join(LAST_WORDS_SECONDS)

    def _beat(self) -> None:
        could_write = True
        ended = False
        while True:
            status = replace(self.status, beat=now().isoformat(timespec="seconds"))
            try:
                write_status(self._out, status)
            except Exception as error:  # storage of any kind, with errors of its own: nobody's run ends for this
                if could_write:
                    _log.warning("status.json cannot be written: %s: %s", type(error).__name__, error)
                could_write = False
            if ended:
                return
            ended = self._ended.wait(BEAT_SECONDS)


@contextmanager
def heartbeat(out: str, *, command: str, subject: str | None = None) -> Iterator[Heartbeat]:
    """Tell of a run as long as it lasts, and how it ended. Hold the manifest: the last run's words are replaced."""
    beating = Heartbeat(out, command=command, subject=subject)
    try:
        yield beating
    except (KeyboardInterrupt, GeneratorExit):
        beating.end("stopped")
        raise
    except BaseException as error:
        beating.end("failed", " ".join(f"{type(error).__name__}: {error}".split())[:2000])
        raise
    beating.end("finished")
