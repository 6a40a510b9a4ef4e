"""List a folder or a bucket: every file that could be a video, in natural order, with nothing read yet."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import quote

import pyarrow.fs as pafs
from natsort import natsort_keygen

from preprocess.clip import Source
from preprocess.io.storage import absolute, filesystem, is_remote

_SIDE = "ass cfg csv db html ini json jsonl log md nfo parquet py sha256 srt sub toml tsv txt vtt xml yaml yml"
SIDE_SUFFIXES = frozenset(f".{suffix}" for suffix in _SIDE.split(" "))
"""Files that accompany videos. They are counted, not tried; anything else gets a row in `sources/`, with a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a location holds: the candidates in natural order, and how many files of which suffix were passed over."""

    sources: tuple[Source, ...]
    ignored: dict[str, int]


def list_sources(location: str, *, exclude: str | None = None) -> Listing:
    """List a file, a folder (recursively) or a bucket prefix; hidden files and what lies below `exclude` are left out.

    Raises:
        ValueError: there is nothing at `location`.
    """
    location = absolute(location)
    excluded = absolute(exclude) if exclude is not None else None
    entries = _remote_entries(location) if is_remote(location) else _local_entries(location)
    videos: list[Source] = []
    ignored: Counter[str] = Counter()
    sidecars: set[str] = set()
    for source in entries:
        if excluded is not None and (source.uri == excluded or source.uri.startswith(excluded.rstrip("/") + "/")):
            continue
        suffix = PurePosixPath(source.uri).suffix.lower()
        if suffix in SIDE_SUFFIXES:
            ignored[suffix] += 1
            if suffix == ".json":
                sidecars.add(source.uri)
        else:
            videos.append(source)
    natural = natsort_keygen()
    videos.sort(key=lambda source: (natural(source.uri.split("/")), source.uri))
    sources = tuple(replace(source, sidecar=_sidecar(source.uri, sidecars)) for source in videos)
    return Listing(sources=sources, ignored=dict(sorted(ignored.items())))


def _sidecar(uri: str, sidecars: set[str]) -> str | None:
    stem = uri.removesuffix(PurePosixPath(uri).suffix)
    return next((name for name in (f"{stem}.json", f"{uri}.json") if name in sidecars), None)


def _local_entries(location: str) -> Iterator[Source]:
    root = os.fsencode(location)
    if not os.path.lexists(root):
        raise ValueError(f"{location!r}: no such file or folder")
    if not os.path.isdir(root):  # noqa: PTH112 - names are bytes here: they need not be UTF-8
        yield from _local_source(root)
        return
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        facts = os.stat(folder)  # noqa: PTH116
        if (facts.st_dev, facts.st_ino) in seen:  # a link back to a parent would never end
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(b"."))
        for name in names:
            if not name.startswith(b"."):
                yield from _local_source(os.path.join(folder, name))  # noqa: PTH118


def _local_source(path: bytes) -> Iterator[Source]:
    try:
        facts = os.stat(path)  # noqa: PTH116
    except OSError:  # a dangling link: listed, so that it gets a row that says so
        yield Source(uri=_uri(path), size_bytes=0, modified_ns=0)
        return
    if stat.S_ISREG(facts.st_mode):
        yield Source(uri=_uri(path), size_bytes=facts.st_size, modified_ns=facts.st_mtime_ns)


def _uri(path: bytes) -> str:
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:  # Parquet strings are UTF-8; a percent-encoded URI keeps the name exact
        return "file://" + quote(path)


def _remote_entries(location: str) -> Iterator[Source]:
    system, root = filesystem(location)
    info = system.get_file_info(root)
    if info.type == pafs.FileType.NotFound:
        raise ValueError(f"{location!r}: nothing there")
    entries = (
        [info] if info.type == pafs.FileType.File else system.get_file_info(pafs.FileSelector(root, recursive=True))
    )
    for entry in entries:
        inner = entry.path.removeprefix(root).lstrip("/")
        if entry.type != pafs.FileType.File or any(part.startswith(".") for part in inner.split("/")):
            continue
        uri = f"{location}/{inner}" if inner else location
        yield Source(uri=uri, size_bytes=entry.size or 0, modified_ns=entry.mtime_ns or 0)
