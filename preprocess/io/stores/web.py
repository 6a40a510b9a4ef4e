"""Single files at `https://` addresses, by ranges. They can be read; there is nothing to list and nothing to write."""

from __future__ import annotations

import email.utils
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, NoReturn

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from preprocess.errors import NotAllowed, NotThere, StorageError
from preprocess.io.stores.store import FIRST_BYTES, Entry

_SECONDS = (5, 20)
"""To connect, and between two pieces of an answer."""
_WHOLE_BYTES = 64 << 20
"""What is fetched whole, and held, where a server does not know ranges."""
ATTEMPTS = 5
_BUSY = (429, 500, 502, 503, 504)


class WebStore:
    """One host."""

    def __init__(self, root: str) -> None:
        """`root` is scheme and host."""
        self._root = root

    def open(self, key: str) -> WebObject:
        """One request brings size, version and the first bytes."""
        url = f"{self._root}/{key}"
        with _sentences(url), _get(url, 0, FIRST_BYTES) as answer:
            if answer.status_code == 416:  # 0 bytes have no first one
                return WebObject(url=url, entry=_entry(key, 0, answer), begin=b"", tag="")
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            ranged = answer.status_code == 206 and total.isdigit()
            begin = answer.content if ranged else _whole(url, answer)
            size = int(total) if ranged else len(begin)
            tag = answer.headers.get("ETag", "")
        return WebObject(url=url, entry=_entry(key, size, answer), begin=begin, tag=tag)

    def info(self, key: str) -> Entry | None:
        """By opening it."""
        try:
            return self.open(key).entry
        except NotThere:
            return None

    def pages(self, prefix: str) -> Iterator[list[Entry]]:
        """Hosts do not say what they have."""
        self._refuse(prefix, "cannot be listed: give the address of one video, or a list of addresses")

    def names(self, folder: str) -> list[str]:
        """Hosts do not say what they have."""
        self._refuse(folder, "cannot be listed")

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Whole."""
        url = f"{self._root}/{key}"
        try:
            with _sentences(url), _session().get(url, timeout=_SECONDS) as answer:
                _check(url, answer)
                return answer.content, answer.headers.get("ETag", "")
        except NotThere:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Refused."""
        self._refuse(key, "cannot be written")

    def write_if(self, key: str, data: bytes, tag: str | None) -> str | None:
        """Refused."""
        self._refuse(key, "cannot be written")

    def upload(self, source: BinaryIO, key: str) -> None:
        """Refused."""
        self._refuse(key, "cannot be written")

    def forget_uploads(self, prefix: str) -> None:
        """There are none."""

    def delete(self, keys: Sequence[str]) -> None:
        """Refused."""
        self._refuse(keys[0], "cannot be written")

    def _refuse(self, key: str, why: str) -> NoReturn:
        raise NotAllowed(f"{self._root}/{key} {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebObject:
    """A file that is open for reading."""

    url: str
    entry: Entry
    begin: bytes
    tag: str

    def read(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop)."""
        with _sentences(self.url), _get(self.url, start, stop) as answer:
            if answer.status_code != 206 or answer.headers.get("ETag", "") != self.tag:
                raise StorageError(f"{self.url}: it was replaced while it was read")
            data = bytes(answer.content)
        if len(data) != stop - start:
            raise StorageError(f"{self.url}: {len(data)} bytes came of the {stop - start} at {start}")
        return data

    def close(self) -> None:
        """Connections belong to the session."""


def _get(url: str, start: int, stop: int) -> requests.Response:
    # a compressed answer would have other ranges
    headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
    answer = _session().get(url, headers=headers, stream=True, timeout=_SECONDS)
    _check(url, answer)
    return answer


def _check(url: str, answer: requests.Response) -> None:
    if answer.ok or answer.status_code == 416:
        return
    said = f"{answer.status_code} {answer.reason}"
    answer.close()
    if answer.status_code in (404, 410):
        raise NotThere(f"{url}: not there ({said})")
    if answer.status_code in (401, 403, 407):
        raise NotAllowed(f"{url}: no permission ({said})")
    raise StorageError(f"{url}: {said}")


def _whole(url: str, answer: requests.Response) -> bytes:
    data = bytearray()
    for piece in answer.iter_content(1 << 20):
        data += piece
        if len(data) > _WHOLE_BYTES:
            raise StorageError(f"{url}: the server knows no ranges, and the file is above {_WHOLE_BYTES >> 20} MiB")
    return bytes(data)


def _entry(key: str, size: int, answer: requests.Response) -> Entry:
    try:
        modified = int(email.utils.parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp())
    except (KeyError, ValueError):
        modified = 0
    return Entry(key=key, size_bytes=size, modified_ns=modified * 1_000_000_000)


@contextmanager
def _sentences(url: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
        raise NotThere(f"{url}: no address ({error})") from error
    except (requests.RequestException, HTTPError, OSError) as error:
        raise StorageError(f"{url}: no answer. Is there a network, and is the address right? ({error})") from error


def _session() -> Any:
    return _session_of(os.getpid(), threading.get_ident())


@lru_cache(maxsize=64)
def _session_of(process: int, thread: int) -> requests.Session:
    """Sessions are made for one thread."""
    session = requests.Session()
    retry = Retry(total=ATTEMPTS - 1, backoff_factor=0.5, status_forcelist=_BUSY, raise_on_status=False)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session
