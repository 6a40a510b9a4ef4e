"""Who may ask: addresses begin with a token, and pages of other hosts are told nothing.

The rules are those of `pipelines.serve.handler`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preprocess.io.local_web import ALWAYS, NOTHING, name_of


class Guard:
    """Around an app, which is then at `/TOKEN/`."""

    def __init__(self, app: ASGIApp, token: str, names: Collection[str]) -> None:
        self._app, self._token, self._names = app, token, frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in {"Content-Security-Policy": NOTHING, **ALWAYS}.items():
                    headers.setdefault(name, text)
            await send(message)

        headers = Headers(scope=scope)
        host = headers.get("host", "")
        token = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        origin = headers.get("origin")
        if name_of(host) not in self._names or len(headers.getlist("host")) != 1:
            await _refuse(sent, 421, "this server is asked under another name than its own")
        elif not hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            await _refuse(sent, 403, "the address lacks the token that `serve` has printed")
        elif scope["method"] not in ("GET", "HEAD") and origin is not None and origin != f"http://{host}":
            await _refuse(sent, 403, "a page of another server may not ask for anything here")
        else:
            await self._app({**scope, "root_path": f"/{self._token}"}, receive, sent)


async def _refuse(send: Any, status: int, sentence: str) -> None:
    body = json.dumps({"detail": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
