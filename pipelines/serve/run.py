"""Start the server, say where it is, and serve until it is stopped."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from http.server import ThreadingHTTPServer
from typing import Any

from pipelines.serve.handler import handler
from pipelines.serve.site import Site
from pipelines.verdicts import Waiting
from preprocess.io.local_web import LOOPBACK, own_names

_log = logging.getLogger("clipmill")


def serve(
    out: str,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    sources: Sequence[str] = (),
    roots: Sequence[str] = (),
    plug_ins: Sequence[str] = (),
    opened: bool = False,
) -> None:
    """Serve the manifest at `out` until somebody interrupts it.

    Raises:
        ValueError: there is no manifest, or the address cannot be had.
    """
    with serving(out, host=host, port=port, sources=sources, roots=roots, plug_ins=plug_ins) as (server, address):
        print(f"{address}\nWho has this address sees the films and may keep and drop clips. Ctrl-C ends it", flush=True)
        if opened:
            webbrowser.open(address)
        try:
            server.serve_forever()
        finally:
            if waiting := len(Waiting.at(out).places):
                print(f"{waiting:,} words by hand wait in OUT; the next `serve` or `decide` puts them into the table")


@contextlib.contextmanager
def serving(
    out: str,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    sources: Sequence[str] = (),
    roots: Sequence[str] = (),
    plug_ins: Sequence[str] = (),
) -> Iterator[tuple[ThreadingHTTPServer, str]]:
    """A server that is bound and has read the tables, and its address with the token.

    Raises:
        ValueError: there is no manifest, or the address cannot be had.
    """
    names = own_names(host)
    if not 0 <= port < 1 << 16:
        raise ValueError(f"--port {port}: expected 0, for any that is free, to 65535")
    site, token = Site(out, sources=sources, roots=roots, plug_ins=plug_ins), secrets.token_urlsafe(32)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A browser that has gone is no error of ours."""
            error = sys.exception()
            if not isinstance(error, ConnectionError | TimeoutError):
                _log.error("serve: an error of our own code; please report it", exc_info=error)

    try:
        server = Server((host.strip("[]"), port), handler(site, token, names))
    except OSError as error:
        raise ValueError(f"{host}:{port} cannot be listened at: {error.strerror}") from error
    with server:
        shown = f"[{host.strip('[]')}]" if ":" in host else host
        try:
            yield server, f"http://{shown}:{server.server_address[1]}/{token}/"
        finally:
            site.close()
