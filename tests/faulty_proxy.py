"""A proxy on loopback before an S3-compatible server, which is busy, breaks off or is slow for a while."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from typing import Literal
from urllib.parse import urlsplit

from tests.loopback import serving

Fault = Literal["busy", "reset", "slow"]
_HOP = ("connection", "transfer-encoding", "content-length", "date", "server")
_BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class FaultyProxy:
    """What goes wrong, and how often it has."""

    def __init__(self, server: str) -> None:
        self.fault: Fault | None = None
        self.below = "/"
        """Only requests for paths that begin so go wrong."""
        self.skips = 0
        """So many more of them go well first."""
        self.struck = 0
        self._address = urlsplit(server).netloc
        self._lock = threading.Lock()

    def serving(self) -> AbstractContextManager[str]:
        """Its address."""
        return serving(self._handler())

    def _due(self, path: str) -> Fault | None:
        with self._lock:
            if self.fault is None or not path.startswith(self.below):
                return None
            if self.skips:
                self.skips -= 1
                return None
            self.struck += 1
            return self.fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fault = ours._due(self.path)
                if fault == "busy":
                    self._send(503, [], _BUSY)
                    return
                upstream = http.client.HTTPConnection(ours._address, timeout=60)
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                data = answer.read()
                upstream.close()
                headers = [pair for pair in answer.getheaders() if pair[0].lower() not in _HOP]
                if self.command == "HEAD":
                    headers.append(("Content-Length", answer.getheader("Content-Length", "0")))
                self._send(answer.status, headers, data, fault)

            def _send(
                self, status: int, headers: list[tuple[str, str]], data: bytes, fault: Fault | None = None
            ) -> None:
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if fault == "reset":
                    self.wfile.write(data[: len(data) // 2])
                    self.wfile.flush()
                    # with no time to linger, closing sends a reset
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                for start in range(0, len(data), 64 << 10):
                    if fault == "slow":
                        time.sleep(0.05)
                    self.wfile.write(data[start : start + (64 << 10)])

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        return Handler
