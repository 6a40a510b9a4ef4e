"""The real command as a process, watched: how it ends, how long it takes, what its largest process weighs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    """Exit status; minus the signal's number where one ended it."""
    hung: bool
    """It was over its time, and ended for that."""
    said: str
    """The end of what it wrote."""
    peak_mb: int
    """Resident memory of the largest process of its tree."""
    seconds: float


def watched(arguments: Sequence[str], limit_seconds: float) -> Ended:
    """Run `python -m pipelines ARGUMENTS` to its end, or kill it and what it started after `limit_seconds`."""
    began = time.monotonic()
    # with Ray, on a cluster of its own: nobody else's is to be shot at
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "RAY_ADDRESS": "local"}
    with tempfile.TemporaryFile() as output:
        command = [sys.executable, "-m", "pipelines", *arguments]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        peak_kb, hung = 0, False
        alarm = threading.Event()
        while process.poll() is None:
            peak_kb = max(peak_kb, *(_peak_kb(pid) for pid in _tree(process.pid)), 0)
            if time.monotonic() - began > limit_seconds:
                hung = True
                _kill(_tree(process.pid))
            alarm.wait(SAMPLE_SECONDS)
        output.seek(max(0, output.tell() - 20_000))
        said = output.read().decode(errors="replace")
    return Ended(
        status=process.returncode, hung=hung, said=said, peak_mb=peak_kb >> 10, seconds=time.monotonic() - began
    )


def _tree(root: int) -> list[int]:
    """A process and all that it started, by /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                status = (entry / "stat").read_text(errors="replace")
                parents[int(entry.name)] = int(status[status.rindex(")") + 2 :].split()[1])
    tree = [root]
    for pid in tree:  # it grows while it is walked
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def _peak_kb(pid: int) -> int:
    """The most memory that a process has held so far, as the kernel keeps it; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def _kill(pids: Sequence[int]) -> None:
    for pid in reversed(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
