"""List a folder or a bucket: every file that could be a video, in natural order, with nothing read yet."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator

from preprocess.clip import Source
from preprocess.errors import StorageError
from preprocess.io.locations import local_path, local_uri, placed
from preprocess.io.storage import absolute, bucket, is_remote
from preprocess.kinds import IMAGE_SUFFIXES, suffix_of
from preprocess.listing import GrowingSources, Listing, count_ignored
from preprocess.source_lists import is_list, listed_sources

_SIDE = "ass cfg csv db html ini json jsonl log md nfo parquet py sha256 srt sub toml tsv txt vtt xml yaml yml"
SIDE_SUFFIXES = frozenset(f".{suffix}" for suffix in _SIDE.split(" "))
"""Files that accompany videos. They are counted, not tried; anything else gets a row in `sources/`, with a reason."""


def list_sources(location: str, *, exclude: str | None = None, pictures: bool = False) -> Listing:
    """List a file, a folder (recursively), a bucket prefix, or what a file that is a list names (`source_lists`).

    Hidden files and what lies below `exclude` are left out; pictures are counted and passed over without `pictures`.

    Raises:
        ValueError: there is nothing at `location`, the storage refuses to say what, or a list has lines that name no
            file.
    """
    location = absolute(location)
    excluded = None if exclude is None else absolute(exclude)
    if is_list(location):
        return listed_sources(location, pictures=pictures)
    growing = GrowingSources()
    ignored: Counter[str] = Counter()
    for source in _entries(location):
        if excluded is not None and (source.uri == excluded or source.uri.startswith(excluded.rstrip("/") + "/")):
            continue
        suffix = suffix_of(source.uri)
        is_side = suffix in SIDE_SUFFIXES or (suffix in IMAGE_SUFFIXES and not pictures)
        if is_side and source.unreadable is None:
            ignored[suffix] += 1
            if suffix == ".json":
                growing.add_sidecar(source.uri)
        else:
            growing.add(source)
    return Listing(sources=growing.in_natural_order(), ignored=count_ignored(ignored))


def _entries(location: str) -> Iterator[Source]:
    if not is_remote(location):
        yield from _local_entries(location)
        return
    try:
        yield from _remote_entries(location)
    except StorageError as error:
        raise ValueError(str(error)) from error


def _local_entries(location: str) -> Iterator[Source]:
    root = local_path(location)
    try:
        facts = os.stat(root)  # noqa: PTH116 - names are bytes here: they need not be UTF-8
    except FileNotFoundError:
        if os.path.lexists(root):
            yield Source(uri=local_uri(root), size_bytes=0, modified_ns=0)
            return
        raise ValueError(f"{location!r}: no such file or folder") from None
    except OSError as error:
        raise ValueError(f"{location!r}: {error.strerror}") from error
    if not stat.S_ISDIR(facts.st_mode):
        yield from _local_source(root)
        return
    refused: list[OSError] = []
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=refused.append):
        yield from _refused(location, refused)
        try:
            facts = os.stat(folder)  # noqa: PTH116
        except OSError as error:  # it went while the others were listed
            refused.append(error)
            continue
        if (facts.st_dev, facts.st_ino) in seen:  # a link back to a parent would never end
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(b"."))
        for name in sorted(names):
            if not name.startswith(b"."):
                yield from _local_source(os.path.join(folder, name))  # noqa: PTH118
    yield from _refused(location, refused)


def _refused(location: str, errors: list[OSError]) -> Iterator[Source]:
    """A row each for folders that may not be looked into: what is in them is missing from the manifest.

    Raises:
        ValueError: the very folder that was asked for is one of them.
    """
    while errors:
        error = errors.pop()
        if os.fsencode(error.filename) == local_path(location):
            raise ValueError(f"{location!r} cannot be listed: {error.strerror}") from error
        why = f"the folder cannot be listed: {error.strerror}"
        yield Source(uri=local_uri(os.fsencode(error.filename)), size_bytes=0, modified_ns=0, unreadable=why)


def _local_source(path: bytes) -> Iterator[Source]:
    """A file; a dangling link, a pipe or a device, too, so that it gets a row that says so."""
    try:
        facts = os.stat(path)  # noqa: PTH116
    except OSError:
        facts = None
    if facts is None or not stat.S_ISREG(facts.st_mode):
        yield Source(uri=local_uri(path), size_bytes=0, modified_ns=0)
    else:
        yield Source(uri=local_uri(path), size_bytes=facts.st_size, modified_ns=facts.st_mtime_ns)


def _remote_entries(location: str) -> Iterator[Source]:
    """An object of exactly this key, or all below it. Names are characters: `..` is a folder like any other."""
    store, key = bucket(location)
    found = store.info(key) if key else None
    if found is not None:
        yield Source(uri=location, size_bytes=found.size_bytes, modified_ns=found.modified_ns)
        return
    prefix = f"{key}/" if key else ""
    root = placed(location).root
    found_any = False
    for page in store.pages(prefix):
        found_any = found_any or bool(page)
        for one in page:
            parts = one.key.removeprefix(prefix).split("/")
            is_marker = parts[-1] == "" and one.size_bytes == 0  # what consoles make where they show a folder
            if not is_marker and not any(part.startswith(".") and part not in (".", "..") for part in parts):
                yield Source(uri=f"{root}/{one.key}", size_bytes=one.size_bytes, modified_ns=one.modified_ns)
    if not found_any:
        raise ValueError(f"{location!r}: nothing there")
