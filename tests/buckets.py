"""An S3-compatible server on loopback, and buckets in it: moto's, which is a real one as far as any client can tell."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
"""moto takes any."""


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of a server with no buckets: all that one process starts share theirs, so they are emptied first."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        urlopen(Request(f"{address}/moto-api/reset", method="POST"), timeout=60).close()
        yield address
    finally:
        server.stop()


def use_server(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Point this process and its children at a server, and keep them away from the user's own credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nowhere = os.fspath(Path(os.devnull))
    facts = {"AWS_ENDPOINT_URL": address, "AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere}
    for name, value in (CREDENTIALS | facts | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)


def make_bucket(name: str) -> str:
    """The location of a new bucket at the server in use."""
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=name)
    return f"s3://{name}"
