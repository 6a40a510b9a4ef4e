"""Runs our commands one after the other and keeps what each took."""

from __future__ import annotations

import json
import logging
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

_log = logging.getLogger("clipmill")


class Commands:
    """Each is printed before it runs; its log goes to the terminal.

    What they took is kept in a file: a command that goes on where it stopped takes what it took before, and the rest.
    """

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._took: dict[str, tuple[float, float]] = {}
        if kept.exists():
            self._took = {name: tuple(both) for name, both in json.loads(kept.read_text(encoding="utf-8")).items()}

    @property
    def seconds(self) -> float:
        """On the clock, of all of them."""
        return sum(clock for clock, _ in self._took.values())

    @property
    def costs(self) -> dict[str, str]:
        """By command, and of all."""
        whole = {"all": (self.seconds, sum(processors for _, processors in self._took.values()))}
        return {
            name: f"{clock:.0f} s, {processors:.0f} s of processors"
            for name, (clock, processors) in (self._took | whole).items()
        }

    def __call__(self, module: str, *arguments: object) -> str:
        """What it printed.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        words = ["-m", module, *map(str, arguments)]
        _log.info("\npython %s", shlex.join(words))
        started, before = time.monotonic(), _processors()
        done = subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own modules
        print(done.stdout, end="", flush=True)
        clock, processors = time.monotonic() - started, _processors() - before
        name = f"{module} {arguments[0]} {Path(words[3]).name}"
        earlier = self._took.get(name, (0.0, 0.0))
        self._took[name] = (earlier[0] + clock, earlier[1] + processors)
        self._kept.write_text(json.dumps(self._took, indent=1), encoding="utf-8")
        _log.info("took %.0f s, %.0f s of processors", clock, processors)
        return done.stdout


def _processors() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
