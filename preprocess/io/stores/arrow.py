"""Buckets of Google, Azure and Hadoop through pyarrow, and all that fsspec knows through its adapter."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.fs as pafs

from preprocess.errors import NotAllowed, NotThere, StorageError
from preprocess.io.locations import AZURE, GCS, Place
from preprocess.io.stores.store import FIRST_BYTES, Entry

_PAGE = 1000
_RETRY_SECONDS = 30


class ArrowStore:
    """One bucket. Folders are listed one after the other, each of them whole; Google's buckets whole at once."""

    def __init__(self, place: Place) -> None:
        """The bucket that `place` lies in.

        Raises:
            ValueError: the scheme is not known, needs a package that is not there, or the environment does not say
                enough of it.
        """
        self._root = place.root
        self._system, self._bucket = file_system(place)
        # a folder of Google's that is only the begin of some names is not among what pyarrow finds in the one above
        self._recursive = place.scheme in GCS

    def open(self, key: str) -> ArrowObject:
        """With the first bytes."""
        entry = self.info(key)
        if entry is None:
            raise NotThere(f"{self._root}/{key}: there is no such object")
        with self._sentences(key):
            file = self._system.open_input_file(self._path(key))
            begin = file.read_at(min(FIRST_BYTES, entry.size_bytes), 0) if entry.size_bytes else b""
        return ArrowObject(place=f"{self._root}/{key}", entry=entry, begin=begin, file=file)

    def info(self, key: str) -> Entry | None:
        """None for folders, too."""
        with self._sentences(key):
            info = self._system.get_file_info(self._path(key))
        return _entry(key, info) if info.type == pafs.FileType.File else None

    def pages(self, prefix: str) -> Iterator[list[Entry]]:
        """`prefix` is a folder: it ends in a slash or is empty."""
        waiting = [prefix]
        while waiting:
            folder = waiting.pop()
            with self._sentences(folder):
                path = self._path(folder.rstrip("/"))
                selector = pafs.FileSelector(path, allow_not_found=True, recursive=self._recursive)
                found = self._system.get_file_info(selector)
            found.sort(key=lambda info: str(info.path))
            if not self._recursive:
                waiting += [f"{folder}{i.base_name}/" for i in reversed(found) if i.type == pafs.FileType.Directory]
            inner = len(path.rstrip("/")) + 1
            files = [_entry(folder + i.path[inner:], i) for i in found if i.type == pafs.FileType.File]
            for first in range(0, len(files), _PAGE):
                yield files[first : first + _PAGE]

    def names(self, folder: str) -> list[str]:
        """In a folder that need not be there."""
        with self._sentences(folder):
            selector = pafs.FileSelector(self._path(folder.rstrip("/")), allow_not_found=True)
            return [i.base_name for i in self._system.get_file_info(selector) if i.type == pafs.FileType.File]

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Without a tag that would be good for `write_if`."""
        if self.info(key) is None:
            return None
        try:
            with self._sentences(key), self._system.open_input_stream(self._path(key)) as stream:
                return bytes(stream.read()), ""
        except NotThere:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Objects are shown once they are complete."""
        with self._sentences(key), self._system.open_output_stream(self._path(key)) as stream:
            stream.write(data)

    def write_if(self, key: str, data: bytes, tag: str | None) -> str | None:
        """pyarrow has no conditional writes."""
        raise NotImplementedError(f"{self._root} has no conditional writes here")

    def forget_uploads(self, prefix: str) -> None:
        """pyarrow shows none."""

    def upload(self, source: BinaryIO, key: str) -> None:
        """In pieces."""
        source.seek(0)
        with self._sentences(key), self._system.open_output_stream(self._path(key)) as stream:
            while chunk := source.read(16 << 20):
                stream.write(chunk)

    def delete(self, keys: Sequence[str]) -> None:
        """One by one."""
        for key in keys:
            if self.info(key) is not None:
                with self._sentences(key):
                    self._system.delete_file(self._path(key))

    def _path(self, key: str) -> str:
        return f"{self._bucket}/{key}" if key else self._bucket

    def _sentences(self, key: str) -> AbstractContextManager[None]:
        return _sentences(f"{self._root}/{key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowObject:
    """An object that is open for reading."""

    place: str
    entry: Entry
    begin: bytes
    file: Any

    def read(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop)."""
        with _sentences(self.place):
            data = bytes(self.file.read_at(stop - start, start))
        if len(data) != stop - start:
            raise StorageError(f"{self.place}: {len(data)} bytes came of the {stop - start} at {start}")
        return data

    def close(self) -> None:
        """Close pyarrow's file."""
        self.file.close()


@contextmanager
def _sentences(place: str) -> Iterator[None]:
    """What pyarrow raises in here becomes a sentence."""
    try:
        yield
    except StorageError:
        raise
    except (OSError, pa.ArrowException) as error:
        said = " ".join(str(error).split())[:500]
        if isinstance(error, FileNotFoundError):
            raise NotThere(f"{place}: not there ({said})") from error
        if isinstance(error, PermissionError):
            raise NotAllowed(f"{place}: no permission ({said})") from error
        raise StorageError(f"{place}: {said}") from error


def _entry(key: str, info: pafs.FileInfo) -> Entry:
    return Entry(key=key, size_bytes=info.size or 0, modified_ns=info.mtime_ns or 0)


def file_system(place: Place) -> tuple[pafs.FileSystem, str]:
    """The file system of a bucket, and the bucket's path in it."""
    if place.scheme in GCS:
        return _google(os.environ), place.bucket
    if place.scheme in AZURE:
        container, _, host = place.bucket.partition("@")
        return _azure(os.environ, host.partition(".")[0]), container
    if place.scheme == "hdfs":
        return pafs.FileSystem.from_uri(f"{place.root}/")[0], ""
    return _through_fsspec(place)


def _google(environment: Mapping[str, str]) -> pafs.FileSystem:
    """`STORAGE_EMULATOR_HOST` names an emulator, as for Google's own libraries; else their usual credentials count."""
    limit = datetime.timedelta(seconds=_RETRY_SECONDS)
    if emulator := environment.get("STORAGE_EMULATOR_HOST"):
        scheme, _, host = emulator.rpartition("://")
        return pafs.GcsFileSystem(
            anonymous=True, scheme=scheme or "http", endpoint_override=host.rstrip("/"), retry_time_limit=limit
        )
    anonymous = environment.get("GCS_NO_SIGN_REQUEST", "").lower() in ("1", "true", "yes")
    return pafs.GcsFileSystem(anonymous=anonymous, retry_time_limit=limit)


def _azure(environment: Mapping[str, str], account: str) -> pafs.FileSystem:
    """`AZURE_STORAGE_CONNECTION_STRING`, or account, key or SAS token by themselves; else Azure's usual credentials."""
    given = dict(
        part.split("=", 1) for part in environment.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";") if "=" in part
    )
    account = account or given.get("AccountName") or environment.get("AZURE_STORAGE_ACCOUNT", "")
    if not account:
        raise ValueError(
            "Azure: which storage account? Write abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/KEY, or set "
            "AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING"
        )
    options: dict[str, str] = {}
    if key := given.get("AccountKey") or environment.get("AZURE_STORAGE_KEY"):
        options["account_key"] = key
    elif token := given.get("SharedAccessSignature") or environment.get("AZURE_STORAGE_SAS_TOKEN"):
        options["sas_token"] = token
    if endpoint := given.get("BlobEndpoint"):
        scheme, _, authority = endpoint.rstrip("/").partition("://")
        options |= dict.fromkeys(("blob_storage_scheme", "dfs_storage_scheme"), scheme)
        options |= dict.fromkeys(
            ("blob_storage_authority", "dfs_storage_authority"), authority.removesuffix(f"/{account}")
        )
    return pafs.AzureFileSystem(account, **options)


def _through_fsspec(place: Place) -> tuple[pafs.FileSystem, str]:
    import fsspec  # only for schemes that nothing else knows

    try:
        backend = fsspec.filesystem(place.scheme)
        bucket = backend._strip_protocol(place.root)
    except (ValueError, ImportError, TypeError) as error:
        raise ValueError(f"{place.root}: there is nothing for {place.scheme}:// here ({error})") from error
    return pafs.PyFileSystem(pafs.FSSpecHandler(backend)), bucket
