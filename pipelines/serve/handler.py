"""HTTP for one reader on this machine: addresses begin with a token, and pages of other hosts are told nothing.

`http.server` of the standard library is enough: a page asks a few questions a second, and what takes time is in numpy
and Arrow, which let other threads run. Three things keep strangers out:

- The token, 256 bits, in the address; it is compared in constant time.
- The Host header has to name this server: a page of another host, whose name resolves to us once its own server has
  answered (DNS rebinding), sends its own name.
- What changes something is a POST of JSON from our own origin, which no form and no other page can send.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from pipelines.serve.films import asked_span
from pipelines.serve.site import Site
from preprocess.io.local_web import ALWAYS, NOTHING, name_of

MOST_BODY = 1 << 20

_log = logging.getLogger("clipmill")


def handler(site: Site, token: str, names: Collection[str]) -> type[BaseHTTPRequestHandler]:
    """Answers for a site to those that know the token, under one of these host names."""

    class Ours(Handler):
        pass

    Ours.site, Ours.token, Ours.names = site, token, frozenset(names)
    return Ours


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    site: ClassVar[Site]
    token: ClassVar[str]
    names: ClassVar[frozenset[str]]
    protocol_version = "HTTP/1.1"
    server_version = "ClipMill"
    sys_version = ""
    timeout = 60
    """Seconds; a connection that says nothing for so long is given up."""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def do_GET(self) -> None:
        """Answer."""
        self._guarded(self._get)

    def do_HEAD(self) -> None:
        """The same without the body."""
        self._guarded(self._get)

    def do_POST(self) -> None:
        """Take what is said by hand."""
        self._guarded(self._post)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Requests are not logged: their addresses hold the token."""

    def _guarded(self, answer: Callable[[str, str], None]) -> None:
        """Answer those who may ask, and say what is wrong in a sentence."""
        host = name_of(self.headers.get("Host", ""))
        if host not in self.names or len(self.headers.get_all("Host") or ()) != 1:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this server is asked under another name than its own")
            return
        address = urlsplit(self.path)
        _, token, *rest = address.path.split("/", 2) if address.path.startswith("/") else ("", "", "")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode()) or not rest:
            self._refuse(HTTPStatus.FORBIDDEN, "the address lacks the token that `serve` has printed")
            return
        try:
            answer(rest[0], address.query)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):  # a player that has seen enough
            self.close_connection = True
        except PermissionError as error:
            self._refuse(HTTPStatus.FORBIDDEN, str(error))
        except FileNotFoundError:
            self._refuse(HTTPStatus.NOT_FOUND, "it is not there")
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            _log.warning("serve: %s", error)
            self._refuse(HTTPStatus.BAD_GATEWAY, "it cannot be read just now")

    def _get(self, place: str, query: str) -> None:
        answers = self.site.answers
        questions = {
            "judge": answers.judge,
            "find": answers.find,
            "sources": answers.sources,
            "clips": answers.clips,
            "percentile": answers.percentile,
        }
        kind, _, name = place.partition("/")
        if place == "":
            self._send(self.site.page(), "text/html; charset=utf-8", policy="frame-ancestors 'none'")
        elif place in questions:
            self._send_json(questions[place](query))
        elif kind == "still" and answers.uri_of(unquote(name)) is not None:
            self._send_still(unquote(name))
        elif kind == "film" and (uri := answers.uri_of(unquote(name))) is not None:
            self._send_film(uri)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such thing here")

    def _post(self, place: str, query: str) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > MOST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {MOST_BODY} bytes, and their number")
            return
        data = self.rfile.read(int(length))
        origin = self.headers.get("Origin")
        if origin is not None and origin != f"http://{self.headers['Host']}":
            self._refuse(HTTPStatus.FORBIDDEN, "a page of another server may not say anything here")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        elif place != "say":
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such thing here")
        else:
            self._send_json(self.site.say(data))

    def _send_still(self, clip_id: str) -> None:
        """A clip without one is no fault, which a browser would note on its console."""
        strip = self.site.stills.strip(clip_id)
        if strip is None:
            self._begin(HTTPStatus.NO_CONTENT, "image/jpeg", 0, {})
        else:
            self._send(strip, "image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    def _send_film(self, uri: str) -> None:
        film = self.site.films.open(uri)
        try:
            fresh = self.headers.get("If-Range", film.tag) == film.tag
            asked = self.headers.get("Range") if fresh else None
            found = asked_span(asked, film.size)
            if found is None:
                self._refuse(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                    "the film has no such bytes",
                    {"Content-Range": f"bytes */{film.size}"},
                )
                return
            span, part = found
            headers = {"Accept-Ranges": "bytes", "ETag": film.tag}
            if part:
                headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{film.size}"
            self._begin(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK, film.kind, len(span), headers)
            if self.command != "HEAD":
                self._send_chunks(film.chunks(span))
        finally:
            film.stream.close()

    def _send_chunks(self, chunks: Any) -> None:
        """What has begun cannot be refused any more: a film that cannot be read on ends the connection."""
        try:
            for chunk in chunks:
                self.wfile.write(chunk)
        except OSError:
            self.close_connection = True

    def _send_json(self, said: Any) -> None:
        self._send(json.dumps(said, allow_nan=False, separators=(",", ":")).encode(), "application/json")

    def _send(
        self, data: bytes, kind: str, policy: str = NOTHING, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._begin(HTTPStatus.OK, kind, len(data), {"Content-Security-Policy": policy} | dict(headers))
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> None:
        data = f"{' '.join(sentence.split())}\n".encode("utf-8", "replace")
        self.close_connection = True  # what is left of the request is not read
        self._begin(status, "text/plain; charset=utf-8", len(data), {"Connection": "close"} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(data)

    def _begin(self, status: HTTPStatus, kind: str, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        told = {"Content-Type": kind, "Content-Length": str(length), "Content-Security-Policy": NOTHING}
        for name, text in ({**ALWAYS, **told, **headers}).items():
            self.send_header(name, text)
        self.end_headers()
