"""A real server of OpenAI's chat API with a tiny model that sees: `transformers serve` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class VlmServer:
    """A server on a port that stays its own; `kill` and `start` it as often as wanted."""

    def __init__(self, weights: Path) -> None:
        self.model = str(weights)
        """What requests call the model."""
        self._port = _free_port()
        self.base_url = f"http://127.0.0.1:{self._port}/v1"
        self._log = weights.parent / f"server-{self._port}.log"
        self._hub_cache = weights.parent / "hub"
        self._hub_cache.mkdir(exist_ok=True)  # `GET /v1/models` fails without one
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers, about 10 s on two idle cores."""
        serve = [str(Path(sys.executable).with_name("transformers")), "serve", self.model, "--device", "cpu"]
        # A group of its own, so that a signal meant for the tests does not reach it, and `kill` reaches all of it.
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*serve, "--host", "127.0.0.1", "--port", str(self._port)],
                env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(self._hub_cache), "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while not self._answers():
            if self._process.poll() is not None:
                self.kill()
                raise RuntimeError(f"the server did not start: {self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9, with every request that it was at; nothing where it does not run."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def num_answers(self) -> int:
        """How many requests for a chat it has answered in all."""
        return self._log.read_text(errors="replace").count('"POST /v1/chat/completions HTTP/1.1" 200')

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=60) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def vlm_server(weights: Path) -> Iterator[VlmServer]:
    """A server of the model in `weights` that answers; gone afterwards."""
    server = VlmServer(weights)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
