"""Standard error as JSON, one object a line, for machines: whoever writes there, our code, a library or native code.

Our own records are written as JSON where they arise. A small process of its own reads all that this one and its
children write, and makes an object of every line that is none: a pipe that this process read itself could fill up
while native code holds the interpreter, and then nothing would ever go on.

This file is that process, too, and then imports no more than it needs.
"""

from __future__ import annotations

import atexit
import datetime
import json
import os
import signal
import subprocess
import sys
from typing import IO, Any

MAX_LINE_BYTES = 1 << 20
"""A longer one becomes several."""
FLUSH_SECONDS = 2.0
"""How long the end waits until all is written; children that outlive this process keep the pipe open."""


class JsonStderr:
    """From now on, until the interpreter ends, standard error is JSON."""

    def __init__(self) -> None:
        self._kept = os.dup(2)
        self._process = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=self._kept,
            start_new_session=True,  # Ctrl-C ends those who have something to say, and then it ends
        )
        assert self._process.stdin is not None
        sys.stderr.flush()
        os.dup2(self._process.stdin.fileno(), 2)
        self._process.stdin.close()
        atexit.register(self._close)  # what was registered later, such as the end of a cluster, comes before it

    def _close(self) -> None:
        """Write what is under way and give standard error back."""
        sys.stderr.flush()
        os.dup2(self._kept, 2)
        try:
            self._process.wait(FLUSH_SECONDS)
        except subprocess.TimeoutExpired:
            return
        os.close(self._kept)


def as_line(level: str, event: str, text: str, **fields: Any) -> str:
    """One object, in ASCII, without a line end."""
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    said = {"time": time, "level": level, "event": event, "text": text} | fields
    return json.dumps({name: _printable(value) for name, value in said.items()}, default=repr)


def _printable(value: object) -> object:
    """Text without lone surrogates, which JSON has no name for; a file's name may have some."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _translate(lines: IO[bytes], out: IO[bytes]) -> None:
    reads = True
    while line := lines.readline(MAX_LINE_BYTES):
        line = line.rstrip(b"\r\n")
        if not line.strip() or not reads:
            continue
        if not _is_ours(line):
            line = as_line("info", "stderr", line.decode(errors="backslashreplace")).encode()
        try:
            out.write(line + b"\n")
            out.flush()
        except OSError:  # nobody reads any more; those who write must not be held up all the same
            reads = False


def _is_ours(line: bytes) -> bool:
    if not line.startswith(b"{"):
        return False
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.keys() >= {"time", "level", "event"}


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _translate(sys.stdin.buffer, sys.stdout.buffer)
