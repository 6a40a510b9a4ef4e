"""A stand-in for a hub of datasets, on loopback: what its client needs to make a repository and commit files to it."""

from __future__ import annotations

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HubServer:
    """Keeps files by repository. Tables are uploaded beside the commit (LFS), the rest within. Use as a context."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.objects: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """What the hub says; KeyError for what it does not know."""
        said = json.loads(body) if body[:1] == b"{" and "/commit/" not in path else {}
        if path == "/api/repos/create":
            repo = f"{said['organization']}/{said['name']}"
            self.private.setdefault(repo, said.get("visibility") == "private")
            self.repos.setdefault(repo, {})
            return {"url": f"{self.url}/datasets/{repo}"}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        found = re.fullmatch(r"(?:/api)?/datasets/([^/]+/[^/.]+)(?:\.git)?/(\w[\w-]*)(.*)", path)
        if found is None:
            raise KeyError(path)
        files, what = self.repos[found.group(1)], found.group(2)
        if what == "tree":
            return [{"type": "file", "path": name, "size": len(data), "oid": "0"} for name, data in files.items()]
        if what == "preupload":
            modes = ((each["path"], each["path"].endswith(".parquet")) for each in said["files"])
            return {
                "files": [
                    {"path": name, "uploadMode": "lfs" if big else "regular", "shouldIgnore": False}
                    for name, big in modes
                ]
            }
        if what == "info":  # LFS
            return {"transfer": "basic", "objects": [self._to_upload(each) for each in said["objects"]]}
        if what == "commit":
            for line in map(json.loads, body.splitlines()):
                self._commit(files, line["key"], line["value"])
            return {"commitUrl": f"{self.url}/datasets/{found.group(1)}/commit/0", "commitOid": "0"}
        raise KeyError(path)

    def _to_upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["oid"] in self.objects:
            return wanted
        return {**wanted, "actions": {"upload": {"href": f"{self.url}/objects/{wanted['oid']}"}}}

    def _commit(self, files: dict[str, bytes], kind: str, value: dict[str, Any]) -> None:
        if kind == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif kind == "lfsFile":
            files[value["path"]] = self.objects[value["oid"]]
        elif kind == "deletedFile":
            del files[value["path"]]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.partition("?")[0]
                hub.asked.append(f"{self.command} {path}")
                if path.startswith("/objects/"):
                    hub.objects[path.removeprefix("/objects/")] = body
                    self._say(200, {})
                elif self.headers.get("Authorization") != f"Bearer {hub.token}":
                    self._say(401, {"error": "who are you?"})
                else:
                    try:
                        self._say(200, hub.answer(self.command, path, body))
                    except KeyError as error:
                        self._say(404, {"error": f"no {error}"})

            do_GET = do_PUT = do_POST  # noqa: N815

            def _say(self, status: int, answer: Any) -> None:
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
