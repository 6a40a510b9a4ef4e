"""The JSON file beside a video, which says where it comes from or what it shows. It may hold anything."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from preprocess.file_bounds import SIDECAR_BYTES
from preprocess.io.storage import entry, is_remote, local_path, open_file

_NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_SURROGATE = re.compile("[\ud800-\udfff]")


def sidecar_names(uri: str) -> tuple[str, str]:
    """Where the facts on a video may lie: `film.json`, then `film.mp4.json`, beside `film.mp4`."""
    return f"{uri.removesuffix(PurePosixPath(uri).suffix)}.json", f"{uri}.json"


def read_sidecar(location: str, max_bytes: int = SIDECAR_BYTES) -> dict[str, Any] | None:
    """What the file says; None where there is no such file, or what has its name is a folder, a pipe or the like.

    Raises:
        ValueError: it is larger than `max_bytes`, or no JSON object.
        OSError: it cannot be read.
    """
    data = _remote_bytes(location, max_bytes + 1) if is_remote(location) else _local_bytes(location, max_bytes + 1)
    if data is None:
        return None
    if len(data) > max_bytes:
        raise ValueError(f"over {max_bytes} bytes")
    try:
        facts = json.loads(data, parse_constant=lambda _: None)  # NaN and the like are no JSON, but usual
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(facts, dict):
        raise ValueError("not a JSON object")
    return facts


def text_in(facts: Mapping[str, Any], key: str) -> str | None:
    """A text or number of the file as text that every encoding takes; None where there is none."""
    value = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _SURROGATE.sub("\ufffd", str(value))  # JSON can escape halves of characters, which are none


def _local_bytes(location: str, limit: int) -> bytes | None:
    try:
        # without waiting for whoever might write into a pipe of that name
        descriptor = os.open(local_path(location), os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (*_NO_SUCH_FILE, errno.ENXIO):
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def _remote_bytes(location: str, limit: int) -> bytes | None:
    if entry(location) is None:
        return None
    with open_file(location) as file:
        return bytes(file.read(limit))
