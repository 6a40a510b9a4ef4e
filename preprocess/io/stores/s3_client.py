"""Connections to S3, one a process and environment."""

from __future__ import annotations

import logging
import os
import threading
from functools import lru_cache
from typing import Any

import boto3.session
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError

_CONNECT_SECONDS, _READ_SECONDS = 5, 20
_CONNECTIONS = 32
_lock = threading.Lock()
logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells people where it found which variable


def connected() -> tuple[Any, str]:
    """A client, and where its credentials come from. Clients may be shared by threads, and not by processes.

    Raises:
        ValueError: the environment names a profile or an endpoint that is none.
    """
    environment = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    with _lock:
        return _client(os.getpid(), environment)


@lru_cache(maxsize=4)
def _client(process: int, environment: tuple[tuple[str, str], ...]) -> tuple[Any, str]:
    try:
        session = botocore.session.Session()
        asked = dict(environment).get("AWS_NO_SIGN_REQUEST", "").lower() in ("1", "true", "yes")
        credentials = None if asked else session.get_credentials()
        client = boto3.session.Session(
            botocore_session=session, region_name=os.environ.get("AWS_REGION") or None
        ).client("s3", region_name=_region(session), config=_config(signed=credentials is not None))
    except (BotoCoreError, ValueError) as error:
        raise ValueError(f"S3 cannot be asked as the environment says: {error}") from error
    return client, "nobody's: there are none" if credentials is None else f"from {credentials.method}"


def _region(session: botocore.session.Session) -> str:
    """Amazon answers for any bucket from its first region, and says where it is."""
    return os.environ.get("AWS_REGION") or session.get_config_variable("region") or "us-east-1"


def _config(*, signed: bool) -> Config:
    return Config(
        signature_version=None if signed else UNSIGNED,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": 2},
        tcp_keepalive=True,
        # the newer checksums are unknown to many servers that speak S3
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
