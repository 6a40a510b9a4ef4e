"""What a bucket of a million keys costs the driver: list it page by page, plan units, hand them to an engine.

    python -m benchmarks.listing [--keys 1000000] [--engine local|ray] [--units N]

The bucket is generated: a server in a process of its own answers ListObjectsV2 with a thousand keys a page, in the XML
that S3 sends. No file is opened; the stage that the units go through only counts. With `--units`, the engine is stopped
after so many.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE_KEYS = 1000
FILE_BYTES = 20_000_000
_ENTRY = (
    "<Contents><Key>films/{0:04}/some+channel+{1:02}/clip{2:07}.mp4</Key>"
    "<LastModified>2026-11-01T12:00:00.000Z</LastModified><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>"
    "<Size>{3}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def main() -> None:
    """Measure; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--units", type=int, help="stop the engine after so many (default: all)")
    options = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(options.keys, theirs), daemon=True)
    server.start()
    os.environ |= {"AWS_ENDPOINT_URL": ours.recv(), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    print(json.dumps(measure(options.keys, options.engine, options.units)))


def measure(keys: int, engine_name: str, most_units: int | None) -> dict[str, Any]:
    """The way that `curate` takes, with the same modules loaded."""
    from cluster.engine import Engine, InProcess
    from cluster.stage import Stage
    from pipelines.curate import ROOT
    from preprocess.sources import list_sources
    from preprocess.units import WorkUnit, plan_units

    class Count(Stage):
        name = "count"

        def process(self, items: Sequence[WorkUnit]) -> Iterator[int]:
            yield from (len(unit.spans) for unit in items)

    loaded, began = _peak_mb(), time.monotonic()
    listing = list_sources("s3://generated/films")
    listed, listed_seconds = _peak_mb(), time.monotonic() - began
    units = plan_units(listing.sources.without(set()), {}, (), span_seconds=300.0, workers=16)
    planned, planned_seconds = _peak_mb(), time.monotonic() - began - listed_seconds
    engine: Engine = InProcess()
    if engine_name == "ray":
        from cluster.ray_engine import RayEngine

        engine = RayEngine(address=None, working_dir=str(ROOT))
    done = spans = 0
    for spans_of_unit in engine.run([Count()], units):
        done, spans = done + 1, spans + spans_of_unit
        if done == most_units:
            break
    return {
        "keys": len(listing.sources),
        "units": len(units),
        "units_done": done,
        "spans_done": spans,
        "engine": engine_name,
        "peak_rss_mb": _peak_mb(),
        "peak_rss_mb_before": loaded,
        "peak_rss_mb_listed": listed,
        "peak_rss_mb_planned": planned,
        "seconds": round(time.monotonic() - began, 1),
        "seconds_listing": round(listed_seconds, 1),
        "seconds_planning": round(planned_seconds, 1),
        "complete": len(listing.sources) == keys and (most_units is not None or spans == keys),
    }


def serve(keys: int, theirs: Connection) -> None:
    """Answer for a bucket of so many keys, and tell the address."""

    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            if "list-type" not in asked:
                self._answer(404, "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
                return
            first = int(asked.get("continuation-token", ["0"])[0])
            self._answer(200, _page(keys, first))

        def _answer(self, status: int, body: str) -> None:
            data = b'<?xml version="1.0" encoding="UTF-8"?>' + body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_request(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    theirs.send(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def _page(keys: int, first: int) -> str:
    """A page of the listing, its keys percent-encoded as boto3 asks for them."""
    last = min(keys, first + PAGE_KEYS)
    rest = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < keys else ""
    entries = "".join(_ENTRY.format(n // 1000, n // 100 % 100, n, FILE_BYTES + n) for n in range(first, last))
    return (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>generated</Name>'
        f"<Prefix>films/</Prefix><MaxKeys>{PAGE_KEYS}</MaxKeys><KeyCount>{last - first}</KeyCount>"
        f"<EncodingType>url</EncodingType><IsTruncated>{str(last < keys).lower()}</IsTruncated>{rest}{entries}"
        "</ListBucketResult>"
    )


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
