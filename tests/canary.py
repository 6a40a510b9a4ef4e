"""A server on loopback that answers nothing and counts who comes: what must reach nobody is pointed at it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Canary:
    """Counts connections. Use it as a context manager."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.heard: list[bytes] = []
        """What each caller said first."""
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Canary:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, suppress(OSError):
                    connection.settimeout(0.2)
                    said = b"?"
                    with suppress(TimeoutError):
                        said = connection.recv(200)
                    self.heard.append(said)
