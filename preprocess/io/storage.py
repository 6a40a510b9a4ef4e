"""Folders and buckets alike: what can be done with a location, and writes that are either whole or not there."""

from __future__ import annotations

import ctypes
import io
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.fs as pafs

from preprocess.errors import StorageError
from preprocess.io.locations import AZURE, GCS, S3, WEB, Place, placed
from preprocess.io.locations import absolute as absolute
from preprocess.io.locations import is_remote as is_remote
from preprocess.io.locations import join as join
from preprocess.io.locations import local_path as local_path
from preprocess.io.ranged import RangedFile
from preprocess.io.stores.store import Entry, Store

_TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{8}\.tmp$")
_UNDER_WAY: set[str] = set()
"""The temporary files that this process writes just now."""


def bucket(location: str) -> tuple[Store, str]:
    """The bucket that a remote location lies in, and its key there.

    Raises:
        ValueError: the scheme is not known or needs a package that is not there, or the environment is wrong.
        StorageError: credentials cannot be had.
    """
    place = placed(location)
    environment = tuple(sorted(os.environ.items())) if place.scheme in S3 | GCS | AZURE else ()
    return _store(place.scheme, place.bucket, os.getpid(), hash(environment)), place.key


@lru_cache(maxsize=64)
def _store(scheme: str, name: str, process: int, environment: int) -> Store:
    """What a scheme needs is loaded when it is first asked for."""
    place = Place(scheme=scheme, bucket=name, key="")
    if scheme in S3:
        try:
            from preprocess.io.stores.s3 import S3Store
        except ImportError as error:
            raise ValueError(f"{place.root} needs boto3: pip install boto3") from error
        return S3Store(place.root, name)
    if scheme in WEB:
        from preprocess.io.stores.web import WebStore

        return WebStore(place.root)
    from preprocess.io.stores.arrow import ArrowStore

    return ArrowStore(place)


def check(location: str) -> None:
    """See that the storage of a location answers, and lets us list what is there. Local ones are not looked at.

    Raises:
        ValueError: a sentence that says what is wrong.
    """
    if not is_remote(location):
        return
    try:
        store, key = bucket(location)
        store.names(_folder(key))
    except StorageError as error:
        raise ValueError(str(error)) from error


def open_file(location: str) -> Any:
    """A file to be read by ranges, as Parquet files are.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    if is_remote(location):
        store, key = bucket(location)
        return io.BufferedReader(RangedFile(store.open(key)), 1 << 16)
    return pafs.LocalFileSystem().open_input_file(os.fsdecode(local_path(location)))


def write_atomic(location: str, data: bytes) -> None:
    """Make `data` the whole content of a file: readers see the old file or the new one, never a part.

    On disk that is a temporary name, fsync and rename; an object store shows an object only once it is complete.
    """
    if is_remote(location):
        store, key = bucket(location)
        store.write(key, data)
        return
    target = Path(os.fsdecode(local_path(location)))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    _UNDER_WAY.add(temporary.name)
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        _UNDER_WAY.discard(temporary.name)


@contextmanager
def written_whole(location: str) -> Iterator[Path]:
    """A local path to write a file to that becomes the one at `location` on leaving, whole or not at all: for what has
    to be written by others, who want a name.

    On disk it lies beside its place until it is renamed; for a bucket, in the folder for temporary files.
    """
    remote = is_remote(location)
    target = Path(location.rpartition("/")[2]) if remote else Path(os.fsdecode(local_path(location)))
    folder = Path(tempfile.gettempdir()) if remote else target.parent
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    _UNDER_WAY.add(temporary.name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            if remote:
                upload(stream, location)
            else:
                os.fsync(stream.fileno())
                temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        _UNDER_WAY.discard(temporary.name)


def read_bytes(location: str) -> bytes | None:
    """The content of a file, or None where there is none."""
    if is_remote(location):
        found = read_tagged(location)
        return None if found is None else found[0]
    try:
        return Path(os.fsdecode(local_path(location))).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def read_tagged(location: str) -> tuple[bytes, str] | None:
    """The content of an object in a bucket and the tag of this version of it, or None where there is none."""
    store, key = bucket(location)
    return store.read(key)


def write_if(location: str, data: bytes, tag: str | None) -> str | None:
    """Write an object of a bucket if it still is the version of `tag`, or, for None, does not exist yet.

    Returns the tag of the new version, or None where somebody was faster.

    Raises:
        NotImplementedError: this storage has no conditional writes.
    """
    store, key = bucket(location)
    return store.write_if(key, data, tag)


def entry(location: str) -> Entry | None:
    """Size and time of an object in a bucket, or None where there is none."""
    store, key = bucket(location)
    return store.info(key)


def list_files(location: str, suffix: str) -> list[str]:
    """Names (not paths) of the files directly in a folder that end in `suffix`, sorted; [] where there is no folder."""
    if is_remote(location):
        store, key = bucket(location)
        names = store.names(_folder(key))
    else:
        try:
            with os.scandir(os.fsdecode(local_path(location))) as entries:
                names = [one.name for one in entries if one.is_file()]
        except (FileNotFoundError, NotADirectoryError):
            names = []
    return sorted(name for name in names if name.endswith(suffix) and not name.startswith("."))


def files_below(location: str, suffix: str) -> list[str]:
    """The files in a folder and in those below it whose names end in `suffix`, as locations, sorted; hidden folders and
    links to folders are not followed."""
    if is_remote(location):
        store, key = bucket(location)
        found = [one.key.removeprefix(_folder(key)) for page in store.pages(_folder(key)) for one in page]
    else:
        root = os.fsdecode(local_path(location))
        found = [
            os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118
            for folder, _, names in os.walk(root)
            for name in names
        ]
    return sorted(join(location, name) for name in found if name.endswith(suffix) and not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def delete(location: str) -> None:
    """Remove a file; no error where it is already gone."""
    if is_remote(location):
        store, key = bucket(location)
        store.delete([key])
    else:
        Path(os.fsdecode(local_path(location))).unlink(missing_ok=True)


def delete_folder(location: str) -> None:
    """Remove a folder and all in it; no error where there is none."""
    if is_remote(location):
        store, key = bucket(location)
        for page in store.pages(_folder(key)):
            store.delete([found.key for found in page])
        return
    folder = Path(os.fsdecode(local_path(location)))
    if folder.is_dir():
        shutil.rmtree(folder)


def upload(source: BinaryIO, location: str) -> None:
    """Make a local file the whole content of an object in a bucket, which shows it once it is complete."""
    store, key = bucket(location)
    store.upload(source, key)


def forget_uploads(location: str) -> None:
    """Give up what killed runs have uploaded in part to a place in a bucket and below it, where that can be known."""
    if is_remote(location):
        store, key = bucket(location)
        store.forget_uploads(_folder(key))


def replace_folder(staged: Path, folder: Path) -> None:
    """Put the folder `staged`, of the same parent, in the place of `folder`, which need not exist.

    One step of the kernel where it and the file system can exchange two names (Linux, on local disks). Elsewhere the
    old folder is put aside first: a kill just then leaves it under the name that `settled_folder` knows.
    """
    aside = _aside(folder)
    if not folder.exists() and aside.exists():
        aside.rename(folder)
    if folder.exists() and not _exchange(staged, folder):
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    if not folder.exists():
        staged.rename(folder)
    for old in (staged, aside):
        shutil.rmtree(old, ignore_errors=True)


def settled_folder(location: str) -> str:
    """The location of a folder, or of what `replace_folder` had put aside for it when it was killed."""
    if is_remote(location):
        return location
    folder = Path(os.fsdecode(local_path(location)))
    return os.fspath(_aside(folder)) if not folder.exists() and _aside(folder).exists() else location


def restore_folder(location: str) -> None:
    """End what a `replace_folder` that was killed had begun: put back what it had put aside, or remove that."""
    if is_remote(location):
        return
    folder = Path(os.fsdecode(local_path(location)))
    if not folder.exists() and _aside(folder).exists():
        _aside(folder).rename(folder)
    shutil.rmtree(_aside(folder), ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _exchange(first: Path, second: Path) -> bool:
    """Swap what two names stand for in one step; False where that is not possible."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of <linux/fcntl.h> and <linux/fs.h>
    return bool(renameat2(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0)


def delete_temporaries(location: str, *, deep: bool) -> None:
    """Remove what writers that were killed left in a local folder, and below it if `deep`; what this process writes
    just now stays. None are in buckets: they never show half an object."""
    if is_remote(location):
        return
    folder = Path(os.fsdecode(local_path(location)))
    for path in list(folder.glob("**/.*.tmp" if deep else ".*.tmp")):
        if not _TEMPORARY.match(path.name) or path.name in _UNDER_WAY:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _folder(key: str) -> str:
    """What the keys below a location begin with."""
    return f"{key.rstrip('/')}/" if key else ""
