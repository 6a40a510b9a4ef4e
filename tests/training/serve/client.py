"""A client that knows what the OpenAPI document says, and holds each answer to it; and a server to ask."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import jsonschema

from training.serve.run import serving


class RefusedError(Exception):
    """What the server says is wrong."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail = status, detail


class Client:
    """`client.ask(prompt=...)`, `client.job(job_id=...)`: the document's operations by their `operationId`."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.port
        self.port, self.token = parts.port, parts.path.strip("/")
        self.document = json.loads(self.raw("GET", f"{parts.path}openapi.json")[2])
        [server] = self.document["servers"]
        self.base = server["url"]
        self._operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }

    @property
    def operations(self) -> set[str]:
        """Their names."""
        return set(self._operations)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method, path, operation = self._operations[name]

        def call(body: bytes | None = None, headers: dict[str, str] | None = None, **given: Any) -> Any:
            query, filled = {}, path
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in given:
                    value = given.pop(parameter["name"])
                    if parameter["in"] == "path":
                        filled = filled.replace(f"{{{parameter['name']}}}", str(value))
                    else:
                        query[parameter["name"]] = value
            kinds = [*operation.get("requestBody", {}).get("content", ())]
            if body is None and kinds:
                body = json.dumps(given).encode()
            sent = {"Content-Type": kinds[0]} if kinds else {}
            address = f"{self.base}{filled}" + (f"?{urlencode(query)}" if query else "")
            status, told, data = self.raw(method, address, body, sent | (headers or {}))
            said = operation["responses"].get(str(status))
            schema = next(iter((said or {}).get("content", {}).values()), {}).get("schema")
            if status == 204 or told["content-type"] != "application/json":
                assert status < 400, data
                return data
            value = json.loads(data)
            if schema is not None:
                jsonschema.validate(value, schema | {"components": self.document["components"]})
            if status >= 400:
                raise RefusedError(status, value["detail"])
            return value

        return call

    def raw(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Any request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        read = answer.status, {key.lower(): text for key, text in answer.getheaders()}, answer.read()
        connection.close()
        return read

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended."""
        while (job := self.job(job_id=job_id))["state"] in ("queued", "running"):
            time.sleep(0.05)
        return job


@contextmanager
def served(run: Path, **options: Any) -> Iterator[str]:
    """A server in a thread, and its address."""
    with serving(str(run), host="127.0.0.1", **options) as (server, listening, address):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()
