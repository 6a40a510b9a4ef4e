"""Start the server, say where it is, and serve until it is stopped."""

from __future__ import annotations

import contextlib
import secrets
import socket
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from preprocess.io.local_web import own_names
from training.run.config import Precision
from training.serve.api import make_app
from training.serve.files import Files
from training.serve.guard import Guard
from training.serve.history import History
from training.serve.jobs import Jobs
from training.serve.page import studio_page
from training.serve.studio import Studio


def serve(
    run: str,
    *,
    out: Path | None = None,
    host: str,
    port: int = 0,
    opened: bool = False,
    loras: Path | None = None,
    precision: Precision | None = None,
    offload: bool = False,
) -> None:
    """Serve a run until somebody interrupts it.

    Raises:
        ValueError: there is no such run, it makes no videos, or the address cannot be had.
    """
    with serving(run, out=out, host=host, port=port, loras=loras, precision=precision, offload=offload) as (
        server,
        listening,
        address,
    ):
        print(
            f"{address}\nWho has this address may make videos here and sees those that were. Ctrl-C ends it", flush=True
        )
        if opened:
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


@contextlib.contextmanager
def serving(
    run: str,
    *,
    out: Path | None = None,
    host: str,
    port: int = 0,
    loras: Path | None = None,
    precision: Precision | None = None,
    offload: bool = False,
) -> Iterator[tuple[uvicorn.Server, socket.socket, str]]:
    """A server that has loaded the model, the socket at which it is to listen, and its address with the token.

    Raises:
        ValueError: there is no such run, it makes no videos, or the address cannot be had.
    """
    names = own_names(host)
    listening = _bound(host, port)
    with listening:
        out = out or Path(run) / "serve"
        files, history = Files(out / "files"), History(out / "jobs")
        studio = Studio(run, files, precision=precision, offload=offload, loras=loras)
        jobs = Jobs(studio.make, history, fps=studio.fps)
        token = secrets.token_urlsafe(32)
        app = Guard(make_app(studio, jobs, files, history, studio_page()), token, names)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # addresses hold the token
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        shown = f"[{host.strip('[]')}]" if ":" in host else host
        try:
            yield uvicorn.Server(config), listening, f"http://{shown}:{listening.getsockname()[1]}/{token}/"
        finally:
            jobs.close()


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise ValueError(f"--port {port}: expected 0, for any that is free, to 65535")
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
        listening.listen()  # who asks before the server has begun waits for it
    except OSError as error:
        listening.close()
        raise ValueError(f"{host}:{port} cannot be listened at: {error.strerror}") from error
    return listening
