"""A web server on loopback that answers ranges of the files of a folder, counts them, and fails when it is told to.

To S3's clients it is a server with the folders in it as buckets, which can be read and listed.
"""

from __future__ import annotations

import re
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from tests.loopback import serving


class RangeServer:
    """What was asked of it, and what it does next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spans: list[tuple[int, int]] = []
        """Half-open ranges of bytes that were sent."""
        self.fails_at: int | None = None
        """The request, counted from 0, from which on all are answered by 503."""
        self.knows_ranges = True
        self._lock = threading.Lock()

    @property
    def num_bytes(self) -> int:
        """Sent so far."""
        return sum(stop - start for start, stop in self.spans)

    def serving(self) -> AbstractContextManager[str]:
        """The address of the folder."""
        return serving(self._handler())

    def forget(self) -> None:
        """Count anew."""
        self.spans = []

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if "list-type=2" in self.path:
                    self._list(ours.folder / self.path.partition("?")[0].strip("/"))
                    return
                path = ours.folder / unquote_to_bytes(self.path.partition("?")[0].lstrip("/")).decode()
                size = path.stat().st_size if path.is_file() else 0
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if ours.knows_ranges else None
                start, stop = (0, size) if asked is None else (int(asked[1]), min(size, int(asked[2]) + 1))
                with ours._lock:
                    fails = ours.fails_at is not None and len(ours.spans) >= ours.fails_at
                    status = 404 if not path.is_file() else 503 if fails else 200 if asked is None else 206
                    if status in (200, 206):
                        ours.spans.append((start, stop))
                self.send_response(status)
                self.send_header("Content-Length", str(stop - start if status in (200, 206) else 0))
                self.send_header("ETag", '"1"')
                self.send_header("Last-Modified", "Sun, 01 Nov 2026 12:00:00 GMT")
                if status == 206:
                    self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
                self.end_headers()
                if status in (200, 206):
                    with path.open("rb") as file:
                        file.seek(start)
                        self.wfile.write(file.read(stop - start))

            def _list(self, bucket: Path) -> None:
                keys = [path.relative_to(bucket).as_posix() for path in sorted(bucket.rglob("*")) if path.is_file()]
                when = "<LastModified>2026-11-01T12:00:00.000Z</LastModified>"
                entries = "".join(
                    f"<Contents><Key>{quote(key)}</Key>{when}<Size>{(bucket / key).stat().st_size}</Size></Contents>"
                    for key in keys
                )
                body = f"<ListBucketResult><EncodingType>url</EncodingType>{entries}</ListBucketResult>".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
