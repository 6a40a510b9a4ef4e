"""Show how a run gets on whose steps other processes take, from the figures that it writes."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.run.metrics import Terminal

LOOK_SECONDS = 1.0


@contextmanager
def shown(out: str, *, steps: int) -> Iterator[None]:
    """Put each row that comes to the `metrics.jsonl` of the run in folder `out` on the terminal, while this is open."""
    rows = _Rows(Path(out) / "metrics.jsonl")
    before = max((int(row["step"]) for row in rows.new()), default=0)
    terminal = Terminal(step=before, steps=steps)
    done = threading.Event()

    def look(last: int) -> None:
        ended = False
        while not ended:
            ended = done.wait(LOOK_SECONDS)
            for row in rows.new():
                step = int(row.pop("step"))
                if step > last:
                    last = step
                    terminal.show(step, row)

    thread = threading.Thread(target=look, args=(before,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        terminal.close()


class _Rows:
    """The rows of a file that grows, each once; from its start again where another file took its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = 0
        self._read = 0

    def new(self) -> Iterator[dict[str, float]]:
        """Those that came since the last call. A figure that is null is left out, and so is a line that is torn."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            there = os.fstat(file.fileno())
            if there.st_ino != self._file or there.st_size < self._read:
                self._file, self._read = there.st_ino, 0
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                yield {name: value for name, value in row.items() if value is not None}
