"""Finds out what kills workers, and leaves it out: an engine that replaces them would give it to the next for ever."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from cluster.engine import Engine
from pipelines.clips.watchdog import Watchdog
from preprocess.errors import INTERNAL_ERROR, UNSETTLED, slug
from preprocess.file_bounds import FileBounds
from preprocess.io import storage

ATTEMPTS = 3
"""What killed its worker this often is settled with a reason; what failed this often for want of memory or storage,
too."""
PAUSE_SECONDS = 1.0
"""Before the second attempt; twice that before the third."""
MOST_WORDS = 16_000
KILLER = f"machine_failure: killed its worker {ATTEMPTS} times"

Work = TypeVar("Work")
Result = TypeVar("Result")


def retried(do: Callable[[], Result]) -> Result:
    """What `do` gives, which is asked again where memory or storage fails.

    Raises:
        OSError, MemoryError: it failed `ATTEMPTS` times.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return do()
        except (OSError, MemoryError):
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    return do()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why work is given up."""

    reason: str
    words: str = ""
    """What the worker that it killed has left: a traceback of native code, say."""
    seconds: float | None = None
    """The first time only: how far into the file the work can be done without coming to that place again."""


class Attempts:
    """Counts how often work was begun and not ended, which is what a killed worker leaves behind.

    Marks live in a folder of the run's own, so that stopping a whole run never counts against anything. Without a
    folder nothing is counted.
    """

    def __init__(self, location: str | None) -> None:
        self._location = location
        self._watchdog: Watchdog | None = None

    def run(
        self,
        work: Work,
        *,
        name: Callable[[Work], str],
        pieces: Callable[[Work], Sequence[Work]],
        do: Callable[[Work], Result],
        give_up: Callable[[Work, Verdict], Result],
        bounds: FileBounds | None = None,
    ) -> list[Result]:
        """`do` the work. What has killed a worker is done in `pieces`; a single piece is given up after `ATTEMPTS`, or
        at once where the watchdog has ended the worker, because the work was over its `bounds`.

        The results are those of the pieces, or a single one. `name` tells apart all work of a run.
        """
        if self._location is None:
            return [do(work)]
        if bounds is not None and self._watchdog is None:
            self._watchdog = Watchdog(self._location)
        place = storage.join(self._location, hashlib.blake2b(name(work).encode(), digest_size=12).hexdigest())
        before = _read(place)
        mark = replace(before, begun=before.begun + 1, watched=self._words())
        mark.write(place)
        parts = pieces(work)
        if before.begun and len(parts) > 1:
            return [
                result
                for part in parts
                for result in self.run(part, name=name, pieces=pieces, do=do, give_up=give_up, bounds=bounds)
            ]
        verdict = before.verdict()
        with self._watched(bounds, mark, place):
            result = do(work) if verdict is None else give_up(work, verdict)
        if verdict is None:
            storage.delete(place)
        else:
            before.write(place)  # whoever is given the whole again, because of another part of it, does the same
        return [result]

    def _words(self) -> str:
        return "" if self._watchdog is None else os.fspath(self._watchdog.last_words)

    def _watched(self, bounds: FileBounds | None, mark: _Mark, place: str) -> AbstractContextManager[None]:
        if bounds is None or self._watchdog is None:
            return nullcontext()

        def leave_word(reason: str, seconds: float | None) -> None:
            replace(mark, left=reason, seconds=seconds if mark.begun == 1 else None).write(place)

        return self._watchdog.watching(bounds, leave_word)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """What is known of work that was begun: a small JSON file, which is there until it has ended."""

    begun: int = 0
    left: str = ""
    """By a worker that died of it: the watchdog's reason, or a traceback."""
    seconds: float | None = None
    watched: str = ""
    """The file in which the worker that has it now leaves its last words."""

    def write(self, place: str) -> None:
        storage.write_atomic(place, json.dumps(asdict(self)).encode())

    def verdict(self) -> Verdict | None:
        """Why it is not to be tried again."""
        if slug(self.left) in ("too_slow", "too_large"):
            # the second time, even what lies before the place was too much
            return Verdict(reason=self.left, seconds=self.seconds if self.begun == 1 else None)
        crash = re.search("Fatal Python error: (.*)", self.left)
        # the first time, the whole process may have been stopped
        if crash is None and "Timeout (" in self.left and self.begun > 1:
            return Verdict(reason="too_slow: it held the interpreter, and made no progress", words=self.left)
        if self.begun < ATTEMPTS:
            return None
        if crash is not None:
            return Verdict(reason=f"{INTERNAL_ERROR}: {crash[1]}, {ATTEMPTS} times", words=self.left)
        return Verdict(reason=self.left if slug(self.left) in UNSETTLED else KILLER)


def _read(place: str) -> _Mark:
    data = storage.read_bytes(place)
    if data is None:
        return _Mark()
    mark = _Mark(**json.loads(data))
    try:
        words = Path(mark.watched).read_bytes()[-MOST_WORDS:].decode(errors="replace") if mark.watched else ""
    except OSError:  # of another machine
        words = ""
    return replace(mark, left=words) if words and not slug(mark.left).startswith("too_") else mark


def attempts_of_run(out: str, engine: Engine) -> Attempts:
    """Those of a new run over the manifest at `out`: with an engine that replaces workers only."""
    return Attempts(storage.join(out, "attempts", uuid.uuid4().hex[:12]) if engine.replaces_workers else None)


def forget_attempts(out: str) -> None:
    """Delete the marks of all runs over the manifest at `out`."""
    storage.delete_folder(storage.join(out, "attempts"))
