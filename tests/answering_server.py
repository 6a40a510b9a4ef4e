"""A server that answers chat completions over real HTTP as a test tells it to: slowly, wrongly, or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SHORT = "One sentence about "
LONG = "A grey square slowly turns brighter in front of a wall, and its name is "


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    """Waits so long before it answers, unless the server ends before."""
    cut: bool = False
    """Closes the connection in the middle of the body."""
    reset: bool = False
    """Closes the connection without an answer."""


def completion(text, finish_reason="stop", *, seconds=0.0, headers=None, **message) -> Reply:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text} | message}
    body = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]}).encode()
    return Reply(body=body, seconds=seconds, headers=headers or {})


def error(status, message="no", headers=None, **more) -> Reply:
    return Reply(status=status, body=json.dumps({"error": {"message": message} | more}).encode(), headers=headers or {})


def name_of(frame: bytes) -> str:
    """What the server calls a clip that begins with this frame: an answer shows which clip it belongs to."""
    return hashlib.sha256(frame).hexdigest()[:10]


def describe(request) -> Reply:
    """A description that names the first frame, and in the second turn a sentence that does."""
    url = next(p["image_url"]["url"] for p in request["messages"][0]["content"] if p["type"] == "image_url")
    name = name_of(base64.b64decode(url.removeprefix("data:image/jpeg;base64,"), validate=True))
    return completion((SHORT if len(request["messages"]) > 1 else LONG) + name)


class AnsweringServer:
    """Answers with `script`, one reply a request, and then with `answer(request)`. Counts what happens."""

    def __init__(
        self,
        script: Iterable[Reply] = (),
        answer: Callable[[dict], Reply] = describe,
        *,
        port: int = 0,
        models: Reply | tuple[str, ...] = ("tiny-vlm",),
    ) -> None:
        self.script = list(script)
        self.answer = answer
        self.models = models
        self.requests: list[dict] = []
        self.answered: list[dict] = []
        """Requests whose answer, a proper one, went out whole."""
        self.keys: set[str | None] = set()
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._closed = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._http.daemon_threads = True
        self._http.block_on_close = False
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def kill(self) -> None:
        """As by `kill -9`: connections break off, the port is closed."""
        self._closed.set()
        self._http.shutdown()
        self._http.server_close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Until requests and answers have made it true, or the server ends."""
        while not happened() and not self._closed.wait(0.005):
            pass

    def __enter__(self) -> AnsweringServer:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._closed.is_set():
            self.kill()

    def _reply(self, request) -> Reply:
        with self._lock:
            self.requests.append(request)
            scripted = self.script.pop(0) if self.script else None
        return scripted or self.answer(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                with server._lock:
                    server._connections.add(self.connection)

            def finish(self):
                with server._lock:
                    server._connections.discard(self.connection)
                with suppress(OSError):
                    super().finish()

            def log_message(self, *_):
                pass

            def do_GET(self):
                server.keys.add(self.headers.get("authorization"))
                listed = server.models if self.path.startswith("/v1/") else error(404)
                if isinstance(listed, tuple):
                    listed = Reply(body=json.dumps({"data": [{"id": name} for name in listed]}).encode())
                self._send(listed)

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with server._lock:
                    server.keys.add(self.headers.get("authorization"))
                    server._in_flight += 1
                    server.most_in_flight = max(server.most_in_flight, server._in_flight)
                try:
                    reply = server._reply(request)
                    server._closed.wait(reply.seconds)
                finally:
                    with server._lock:  # before the answer goes out: the next request may come at once
                        server._in_flight -= 1
                if server._closed.is_set() or reply.reset:
                    self.close_connection = True
                    return
                if self._send(reply) and reply.status == 200 and not reply.cut:
                    server.answered.append(request)

            def _send(self, reply) -> bool:
                try:
                    self.send_response(reply.status)
                    for name, value in ({"content-type": "application/json"} | reply.headers).items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
                    self.wfile.flush()
                except OSError:
                    return False
                self.close_connection = self.close_connection or reply.cut
                return True

        return Handler
