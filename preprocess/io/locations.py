"""What a location says: the path of a local file, or a scheme, a bucket and a key, character by character.

A key is taken as it is written: `%41`, `?`, `#`, spaces, `//` and newlines are characters of names in a bucket, and
nothing of them is decoded, cut off or made prettier. Only `file://` URIs are percent-encoded: they carry local names
that are not UTF-8.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

S3 = frozenset({"s3", "s3a", "s3n"})
GCS = frozenset({"gs", "gcs"})
AZURE = frozenset({"abfs", "abfss", "az"})
WEB = frozenset({"http", "https"})
SCHEMES = S3 | GCS | AZURE | WEB | {"file", "hdfs"}
"""What lists of videos may name. On the command line any scheme that fsspec knows will do."""

_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]+)://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A location in a bucket, or whatever a scheme has in the place of one."""

    scheme: str
    bucket: str
    """Between `://` and the next slash: a bucket, a container, a host."""
    key: str
    """All that follows that slash, raw."""

    @property
    def root(self) -> str:
        """The location of the bucket."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def uri(self) -> str:
        """The location as it was written."""
        return f"{self.root}/{self.key}" if self.key else self.root


def scheme_of(location: str) -> str:
    """In lower case; `file` where a location is a path."""
    match = _SCHEME.match(location)
    return "file" if match is None else match.group(1).lower()


def is_remote(location: str) -> bool:
    """True for URIs such as `s3://...`, False for paths and `file://` URIs."""
    return scheme_of(location) != "file"


def placed(location: str) -> Place:
    """Scheme, bucket and key of a remote location.

    Raises:
        ValueError: it names no bucket.
    """
    scheme = scheme_of(location)
    bucket, _, key = location[len(scheme) + 3 :].partition("/")
    if not bucket:
        raise ValueError(f"{location!r} names no bucket: write {scheme}://BUCKET/KEY")
    return Place(scheme=scheme, bucket=bucket, key=key)


def absolute(location: str) -> str:
    """A location that means the same from any working directory and any worker process.

    A `file://` URI becomes the path that it stands for, where that is UTF-8.

    Raises:
        ValueError: a `file://` URI of another machine, or a URI without a bucket.
    """
    if is_remote(location):
        placed(location)
        return location.rstrip("/")
    if _SCHEME.match(location):
        return local_uri(os.path.abspath(local_path(location)))  # noqa: PTH100 - bytes: names need not be UTF-8
    return os.path.abspath(location)  # noqa: PTH100 - Path.absolute() keeps "..", resolve() follows links


def local_path(location: str) -> bytes:
    """The path of a local location as the bytes the kernel knows.

    Raises:
        ValueError: a `file://` URI of another machine.
    """
    if not _SCHEME.match(location):
        return os.fsencode(location)
    path = location[len("file://") :].removeprefix("localhost")
    if not path.startswith("/"):
        raise ValueError(f"{location!r} is on another machine: write file:///PATH")
    return unquote_to_bytes(path)


def local_uri(path: bytes) -> str:
    """How a local file is named in tables: by its path, or by a `file://` URI where that is not UTF-8."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:  # Parquet strings are UTF-8; a percent-encoded URI keeps the name exact
        return "file://" + quote(path)


def join(location: str, *names: str) -> str:
    """A location below another one."""
    return "/".join([location.rstrip("/"), *names])
