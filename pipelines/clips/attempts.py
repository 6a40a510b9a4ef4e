"""Finds out what kills workers, and leaves it out: an engine that replaces them would give it to the next for ever."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from cluster.engine import Engine
from preprocess.io import storage

ATTEMPTS = 3
"""What killed its worker this often is settled with a reason; what failed this often for want of memory or storage,
too."""
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
            time.sleep(0.5 * 2**attempt)
    return do()


class Attempts:
    """Counts how often work was begun and not ended, which is what a killed worker leaves behind.

    Marks live in a folder of the run's own, so that stopping a whole run never counts against anything. Without a
    folder nothing is counted.
    """

    def __init__(self, location: str | None) -> None:
        self._location = location

    def run(
        self,
        work: Work,
        *,
        name: Callable[[Work], str],
        pieces: Callable[[Work], Sequence[Work]],
        do: Callable[[Work], Result],
        give_up: Callable[[Work], Result],
    ) -> list[Result]:
        """`do` the work. What has killed a worker is done in `pieces`; a single piece is given up after `ATTEMPTS`.

        The results are those of the pieces, or a single one. `name` tells apart all work of a run.
        """
        if self._location is None:
            return [do(work)]
        mark = storage.join(self._location, hashlib.blake2b(name(work).encode(), digest_size=12).hexdigest())
        begun = int(storage.read_bytes(mark) or b"0") + 1
        storage.write_atomic(mark, str(begun).encode())
        parts = pieces(work)
        if begun > 1 and len(parts) > 1:
            return [
                result for part in parts for result in self.run(part, name=name, pieces=pieces, do=do, give_up=give_up)
            ]
        if begun > ATTEMPTS:
            return [give_up(work)]
        result = do(work)
        storage.delete(mark)
        return [result]


def attempts_of_run(out: str, engine: Engine) -> Attempts:
    """Those of a new run over the manifest at `out`: with an engine that replaces workers only."""
    return Attempts(storage.join(out, "attempts", uuid.uuid4().hex[:12]) if engine.replaces_workers else None)


def forget_attempts(out: str) -> None:
    """Delete the marks of all runs over the manifest at `out`."""
    storage.delete_folder(storage.join(out, "attempts"))
