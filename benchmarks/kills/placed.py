"""Places a kill: counts what a process does to its storage, as the interpreter sees it, and ends it at the N-th step.

    python -m benchmarks.kills.placed AT FUNCTION COUNT_FILE COMMAND ...

runs `python -m pipelines COMMAND ...` and sends it SIGKILL at step AT within FUNCTION, such as `Manifest.compact`, or
anywhere for `anything`. With AT 0 it lives, and COUNT_FILE says how many steps there were. Films of any size are
divided into spans.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines import curate
from preprocess import manifest
from preprocess.io import storage

ANYWHERE = "anything"
_FILE_EVENTS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
_UNSEEN = ("write_atomic", "delete", "delete_folder", "upload", "replace_folder", "_exchange")
"""Of `preprocess.io.storage`: what they do in a bucket or in the kernel raises no event of the interpreter."""


class Steps:
    """Counts, and kills."""

    def __init__(self, at: int, function: str) -> None:
        self.count = 0
        self._at = at
        self._within = function == ANYWHERE
        self._function = function

    def watch(self) -> None:
        """From now on, for as long as the process lives."""
        for name in _UNSEEN:
            if hasattr(storage, name):
                setattr(storage, name, self._around(getattr(storage, name)))
        if self._function != ANYWHERE:
            owner, _, name = self._function.rpartition(".")
            owner = getattr(manifest, owner)
            setattr(owner, name, self._open_in(getattr(owner, name)))
        sys.addaudithook(self._event)

    def _step(self) -> None:
        self.count += self._within
        if self._within and self.count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wa+")
        if writes or event in _FILE_EVENTS:
            self._step()

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A step before it and one after it."""

        def stepped(*arguments: Any, **named: Any) -> Any:
            self._step()
            result = call(*arguments, **named)
            self._step()
            return result

        return stepped

    def _open_in(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(*arguments: Any, **named: Any) -> Any:
            self._within = True
            try:
                return call(*arguments, **named)
            finally:
                self._within = False

        return opened


def main(at: int, function: str, count_file: str, command: list[str]) -> None:
    """Run the command, and say how many steps it took if it is not to die."""
    vars(curate)["SPLIT_BYTES"] = 0
    steps = Steps(at, function)
    steps.watch()
    sys.argv = ["pipelines", *command]
    try:
        runpy.run_module("pipelines", run_name="__main__", alter_sys=True)
    finally:
        if at == 0:
            Path(count_file).write_text(str(steps.count))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
