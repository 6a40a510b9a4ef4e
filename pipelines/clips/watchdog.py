"""Ends a worker that hangs in one file or takes all the memory for it, and leaves word why, for who is given it next.

Native code cannot be interrupted, so the process has to go. Two look after it: a thread of Python's, which knows more,
and the interpreter's own watchdog in C, for what holds the interpreter while it hangs. What crashes the process leaves
its traceback in the same place.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from preprocess.file_bounds import FileBounds
from preprocess.io import storage
from preprocess.pulse import PULSE

LOOK_SECONDS = 0.2
PAUSE_SECONDS = 5.0
"""Nobody who is only busy is not looked at for so long."""
FRAMES_IN_MEMORY = 40
"""Decoders keep 16 frames and more; one of 4:2:0 with 10 bits has 3 bytes a pixel."""
_PAGE_BYTES = resource.getpagesize()
_STORAGE = os.path.join("preprocess", "io", "")  # noqa: PTH118

LeaveWord = Callable[[str, float | None], None]
"""Takes the reason why the process is ended, and `Pulse.seconds`."""


class Watchdog:
    """Of a worker process. `location` is a folder that the next worker will look into as well."""

    def __init__(self, location: str) -> None:
        local = not storage.is_remote(location)
        folder = Path(os.fsdecode(storage.local_path(location))) if local else Path(tempfile.gettempdir())
        folder.mkdir(parents=True, exist_ok=True)
        self.last_words = folder / f".{uuid.uuid4().hex}.words"
        """Where a crash, or the watchdog in C, leaves the traceback of this process."""
        self._file = self.last_words.open("wb", buffering=0)
        atexit.register(self.last_words.unlink, missing_ok=True)
        faulthandler.enable(self._file)
        self._lock = threading.Lock()
        self._watched: _Watched | None = None
        threading.Thread(target=self._look, name="watchdog", daemon=True).start()

    @contextlib.contextmanager
    def watching(self, bounds: FileBounds, leave_word: LeaveWord) -> Iterator[None]:
        """End the process where the work within makes no progress for too long, or needs too much memory."""
        watched = _Watched(bounds, self._file.fileno())
        watched.arm()  # here, and not at the first look: what holds the interpreter at once is never looked at
        with self._lock:
            self._watched, self._leave_word = watched, leave_word
        try:
            yield
        finally:
            with self._lock:
                self._watched = None
                faulthandler.cancel_dump_traceback_later()

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                over = None if self._watched is None else self._watched.over()
                if over is not None:
                    with contextlib.suppress(Exception):
                        self._leave_word(over, PULSE.seconds)
                    os.kill(os.getpid(), signal.SIGKILL)


class _Watched:
    """One work of one thread, from its beginning."""

    def __init__(self, bounds: FileBounds, file: int) -> None:
        self._bounds, self._file = bounds, file
        self._thread = threading.get_ident()
        self._idle_bytes = _resident_bytes()
        self._beats = -1
        self._beat_at = self._armed_at = self._looked_at = time.monotonic()
        PULSE.seconds, PULSE.found_until, PULSE.pixels = None, None, 0

    def arm(self) -> None:
        """Have the watchdog in C wait from now on. It comes second, since it cannot tell what is waited for."""
        faulthandler.dump_traceback_later(1.2 * self._bounds.stall_seconds + 1, exit=True, file=self._file)
        self._armed_at = time.monotonic()

    def over(self) -> str | None:
        """The reason to end it."""
        taken = _resident_bytes() - self._idle_bytes
        if taken > self._bounds.memory_bytes + FRAMES_IN_MEMORY * 3 * PULSE.pixels:
            return f"too_large: {taken / 1e9:.1f} GB of memory"
        now, stall = time.monotonic(), self._bounds.stall_seconds
        if now - self._looked_at > PAUSE_SECONDS:
            self._beat_at = now  # the process itself was stopped, by Ctrl-Z say, and is given its time again
        self._looked_at = now
        if PULSE.beats != self._beats:
            self._beats, self._beat_at = PULSE.beats, now
            if now - self._armed_at > stall / 20:
                self.arm()
        elif now - self._beat_at > stall:
            storage_is_waited_for = any(_STORAGE in frame.filename for frame in self._stack())
            reason = "machine_failure: storage gave nothing" if storage_is_waited_for else "too_slow: no progress"
            return f"{reason} for {stall:g} s"
        return None

    def _stack(self) -> traceback.StackSummary:
        frame = sys._current_frames().get(self._thread)
        return traceback.extract_stack(frame)


def _resident_bytes() -> int:
    """Memory of this process; 0 where nobody tells."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
