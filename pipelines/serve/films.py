"""The bytes of the films and pictures that the manifest names, by ranges: no request names a path.

A manifest may be a stranger's: of itself it leads to files on this machine's disks where it is there, too, and to
buckets; to other places only where the user has said so. A disk gives regular files alone.
"""

from __future__ import annotations

import mimetypes
import os
import re
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from preprocess.io import storage
from preprocess.io.places import refuse_elsewhere
from preprocess.io.roots import Roots

CHUNK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_TYPES = {".mkv": "video/x-matroska", ".ts": "video/mp2t", ".m2ts": "video/mp2t", ".avif": "image/avif"}


@dataclass(frozen=True, slots=True)
class Film:
    """An open one."""

    stream: Any
    size: int
    kind: str
    """Its media type: one of video, audio or pictures, whatever it is called."""
    tag: str
    """Of this version of it."""

    def chunks(self, span: range) -> Iterator[bytes]:
        """The bytes of a span, some at a time.

        Raises:
            OSError: they cannot be read, or end before it does.
        """
        self.stream.seek(span.start)
        left = len(span)
        while left:
            data = self.stream.read(min(CHUNK_BYTES, left))
            if not data:
                raise OSError(f"ends {left} bytes too soon")
            left -= len(data)
            yield data


class Films:
    """Opens them."""

    def __init__(self, home: str, named: Sequence[str], roots: Roots) -> None:
        """`home` is the manifest; `named` are the places beside it that the user has said."""
        self._home, self._named, self._roots = home, named, roots
        self.refusal = lru_cache(maxsize=100_000)(self._refusal)

    def is_there(self, uri: str) -> bool:
        """Whether it may be opened, as far as that can be told without asking a bucket."""
        if self.refusal(uri) is not None:
            return False
        now = self._roots.moved(uri)
        return storage.is_remote(now) or _is_regular(now)

    def open(self, uri: str) -> Film:
        """Open it.

        Raises:
            PermissionError: the manifest alone leads there.
            OSError: it is not there.
        """
        if (why := self.refusal(uri)) is not None:
            raise PermissionError(why)
        now = self._roots.moved(uri)
        if not storage.is_remote(now) and not _is_regular(now):
            raise FileNotFoundError("no such film")
        stream = storage.open_file(now)
        size = stream.seek(0, os.SEEK_END)
        if storage.is_remote(now):
            known = storage.entry(now)
            version = f"{size}-{None if known is None else known.modified_ns}"
        else:
            version = f"{size}-{os.stat(storage.local_path(now)).st_mtime_ns}"  # noqa: PTH116 - bytes
        return Film(stream, int(size), media_type(now), f'"{zlib.crc32(f"{now} {version}".encode()):08x}"')

    def _refusal(self, uri: str) -> str | None:
        try:
            named = [*self._named, *self._roots.targets]
            refuse_elsewhere([self._roots.moved(uri)], home=self._home, named=named)
        except ValueError as error:
            return str(error)
        return None


def media_type(location: str) -> str:
    """By its name; never one that a browser would run."""
    name = location.rpartition("/")[2].lower()
    kind = _TYPES.get(os.path.splitext(name)[1]) or mimetypes.guess_type(name, strict=False)[0] or ""  # noqa: PTH122
    safe = kind.startswith(("video/", "audio/")) or kind in ("image/jpeg", "image/png", "image/webp", "image/avif")
    return kind if safe else "video/mp4"


def asked_span(header: str | None, size: int) -> tuple[range, bool] | None:
    """The span of a file of so many bytes that a Range header asks for, and whether it does: where it asks for several
    or for what we do not understand, all is sent, as servers may do (RFC 9110, 14.2). None where it asks for nothing
    that is there."""
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match[1] == match[2] == "":
        return range(size), False
    if match[1] == "":
        last = int(match[2])
        return (range(max(0, size - last), size), True) if last and size else None
    start, stop = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
    if match[2] and int(match[2]) < start:
        return range(size), False
    return (range(start, stop), True) if start < size else None


def _is_regular(location: str) -> bool:
    try:
        path = storage.local_path(location)
        return not path.startswith(b"//") and stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - bytes
    except (OSError, ValueError):
        return False
