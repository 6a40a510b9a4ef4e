"""What every kind of bucket can do, whoever keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

FIRST_BYTES = 64 << 10
"""What opening an object fetches: the header of most files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An object of a bucket."""

    key: str
    size_bytes: int
    modified_ns: int
    """ns since the epoch; 0 where the storage does not say."""


class Reader(Protocol):
    """An object that is open for reading; several threads may ask it at once."""

    @property
    def entry(self) -> Entry:
        """Its size and time."""
        ...

    @property
    def begin(self) -> bytes:
        """Its first bytes, which opening it has brought along."""
        ...

    def read(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop), all of them.

        Raises:
            StorageError: they could not be had, or the object is another one by now.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Store(Protocol):
    """One bucket. Every method raises `StorageError` where the storage refuses or does not answer."""

    def open(self, key: str) -> Reader:
        """Open an object.

        Raises:
            NotThere: there is none of this key, or no such bucket.
        """
        ...

    def info(self, key: str) -> Entry | None:
        """The object of this key, or None where there is none.

        Raises:
            NotThere: no such bucket.
        """
        ...

    def pages(self, prefix: str) -> Iterator[list[Entry]]:
        """All objects whose keys begin with `prefix`, some at a time."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names of the objects directly below `folder`, which ends in a slash or is empty."""
        ...

    def read(self, key: str) -> tuple[bytes, str] | None:
        """The content of an object and the tag of this version of it, or None where there is none."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Make `data` the whole content of an object."""
        ...

    def write_if(self, key: str, data: bytes, tag: str | None) -> str | None:
        """The same where the object still is the version of `tag`, or, for None, does not exist. The new version's tag;
        None where it was not so.

        Raises:
            NotImplementedError: this storage cannot.
        """
        ...

    def upload(self, source: BinaryIO, key: str) -> None:
        """Make a local file, from its begin, the whole content of an object."""
        ...

    def forget_uploads(self, prefix: str) -> None:
        """Give up what nobody has finished of uploads to keys that begin with `prefix`: it is paid for, and never seen.

        Where that is not allowed or not known, nothing happens.
        """
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; no error where they are gone already."""
        ...
