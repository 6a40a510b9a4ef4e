"""Folders and buckets alike: where a location lives, and writes that are either whole or not there."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.fs as pafs

_TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{8}\.tmp$")
_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]+)://")


def is_remote(location: str) -> bool:
    """True for bucket URIs (`s3://...`), False for paths and `file://` URIs."""
    match = _SCHEME.match(location)
    return match is not None and match.group(1).lower() != "file"


def absolute(location: str) -> str:
    """A location that means the same from any working directory and any worker process."""
    if _SCHEME.match(location):
        return location.rstrip("/")
    return os.path.abspath(location)  # noqa: PTH100 - Path.absolute() keeps "..", resolve() follows links


def local_path(location: str) -> bytes:
    """The path of a local location as the bytes the kernel knows; `file://` URIs carry names that are not UTF-8."""
    if location.startswith("file://"):
        return unquote_to_bytes(location.removeprefix("file://"))
    return os.fsencode(location)


def filesystem(location: str) -> tuple[pafs.FileSystem, str]:
    """The file system that holds a location, and the path of the location within it.

    pyarrow's own file systems serve `s3 gs abfs hdfs`; any other scheme goes through fsspec.

    Raises:
        ValueError: the scheme is known to neither.
    """
    match = _SCHEME.match(location)
    if match is None or match.group(1).lower() == "file":
        return pafs.LocalFileSystem(), os.fsdecode(local_path(location))
    try:
        place: tuple[pafs.FileSystem, str] = pafs.FileSystem.from_uri(location)
    except pa.ArrowInvalid:
        place = _through_fsspec(location, match.group(1).lower())
    return place


def _through_fsspec(location: str, scheme: str) -> tuple[pafs.FileSystem, str]:
    import fsspec  # only for schemes that pyarrow does not know

    try:
        backend, path = fsspec.core.url_to_fs(location)
    except (ValueError, ImportError) as error:
        raise ValueError(f"{location!r}: no file system for {scheme}:// ({error})") from error
    return pafs.PyFileSystem(pafs.FSSpecHandler(backend)), path


def write_atomic(location: str, data: bytes) -> None:
    """Make `data` the whole content of a file: readers see the old file or the new one, never a part.

    On disk that is a temporary name, fsync and rename; an object store shows an object only once it is complete.
    """
    system, path = filesystem(location)
    if not isinstance(system, pafs.LocalFileSystem):
        with system.open_output_stream(path) as stream:
            stream.write(data)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def exclusive(location: str) -> Iterator[None]:
    """Hold a folder against other processes of this kind; the kernel lets go of it however the process ends.

    Buckets have no locks: there, two runs write the same parts under the same names, and the last compaction wins.

    Raises:
        ValueError: another process holds it.
    """
    if is_remote(location):
        yield
        return
    folder = Path(os.fsdecode(local_path(location)))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(f"{location!r} is in use by another run ({lock.read().strip() or 'unknown'})") from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        yield
        lock.truncate(0)


def read_bytes(location: str) -> bytes | None:
    """The content of a file, or None where there is none."""
    system, path = filesystem(location)
    if system.get_file_info(path).type != pafs.FileType.File:
        return None
    with system.open_input_stream(path) as stream:
        return bytes(stream.read())


def list_files(location: str, suffix: str) -> list[str]:
    """Names (not paths) of the files directly in a folder that end in `suffix`, sorted; [] where there is no folder."""
    system, path = filesystem(location)
    entries = system.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    names = (entry.base_name for entry in entries if entry.type == pafs.FileType.File)
    return sorted(name for name in names if name.endswith(suffix) and not name.startswith("."))


def delete(location: str) -> None:
    """Remove a file; no error where it is already gone."""
    system, path = filesystem(location)
    if system.get_file_info(path).type == pafs.FileType.File:
        system.delete_file(path)


def delete_folder(location: str) -> None:
    """Remove a folder and all in it; no error where there is none."""
    system, path = filesystem(location)
    if system.get_file_info(path).type == pafs.FileType.Directory:
        system.delete_dir(path)


def upload(path: Path, location: str) -> None:
    """Make a local file the whole content of an object in a bucket, which shows it once it is complete."""
    system, target = filesystem(location)
    with path.open("rb") as source, system.open_output_stream(target) as stream:
        while chunk := source.read(16 << 20):
            stream.write(chunk)


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
    """Remove what writers that were killed left in a local folder, and below it if `deep`. None are in buckets: they
    never show half an object."""
    if is_remote(location):
        return
    folder = Path(os.fsdecode(local_path(location)))
    for path in list(folder.glob("**/.*.tmp" if deep else ".*.tmp")):
        if _TEMPORARY.match(path.name) and path.is_dir():
            shutil.rmtree(path)
        elif _TEMPORARY.match(path.name):
            path.unlink()


def join(location: str, *names: str) -> str:
    """A location below another one."""
    return "/".join([location.rstrip("/"), *names])
