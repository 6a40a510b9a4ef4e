"""Exclusive use of a manifest: one run at a time writes below a location.

On a disk the kernel keeps a lock on `OUT/.lock`, and lets go of it however the process ends. In a bucket there is a
lease (`lease.py`).
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from preprocess.errors import StorageError
from preprocess.io.lease import Lease
from preprocess.io.storage import is_remote, local_path

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
"""What file systems say that have no locks: some mounts of the network."""

NAME_SECONDS = 1.0
"""Between taking a lock and writing who has it there is a moment: who finds no name looks again for so long."""

_log = logging.getLogger("clipmill")


class Hold(Protocol):
    """What the run has that may change a manifest."""

    def check(self) -> None:
        """Asks nobody.

        Raises:
            ValueError: it is known that another run has taken it over.
        """
        ...

    def confirm(self) -> None:
        """Make sure that it still has it, before something is changed that others may be changing.

        Raises:
            ValueError: another run has taken it over.
        """
        ...


@contextmanager
def exclusive(location: str) -> Iterator[Hold]:
    """Hold a folder or a place in a bucket against other processes of this kind.

    Where its file system has no locks, a warning says that two runs at once would not be noticed.

    Raises:
        ValueError: another process holds it, it cannot be written to, or its `.lock` is no ordinary file.
    """
    if is_remote(location):
        try:
            lease = Lease(location)
        except StorageError as error:
            raise ValueError(str(error)) from error
        try:
            yield lease
        finally:
            lease.release()
        return
    folder = Path(os.fsdecode(local_path(location)))
    lock = _opened(folder)
    try:
        try:
            _take(lock, location)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _log.warning("%r cannot be locked (%s): see that no other run uses it", location, error.strerror)
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        _say(lock, f"process {os.getpid()} on {socket.gethostname()} since {since}")
        yield _Lock()
        _say(lock, "")
    finally:
        os.close(lock)


class _Lock:
    """The kernel takes no lock away."""

    def check(self) -> None:
        pass

    def confirm(self) -> None:
        pass


def _opened(folder: Path) -> int:
    """`.lock` of a folder, which is made if need be. What a stranger may have put in its place is never written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise ValueError(f"{str(folder / '.lock')!r} is no ordinary file: remove it") from None
        raise ValueError(f"{str(folder)!r} cannot be written to: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(lock).st_mode):
        os.close(lock)
        raise ValueError(f"{str(folder / '.lock')!r} is no ordinary file: remove it")
    return lock


def _take(lock: int, location: str) -> None:
    """Raises:
    ValueError: another process has it.
    OSError: there are no locks here.
    """
    deadline = time.monotonic() + NAME_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 1000, 0).decode("utf-8", "replace").strip()
            if not holder and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            raise ValueError(f"{location!r} is in use by another run ({holder or 'unknown'})") from None
        return


def _say(lock: int, text: str) -> None:
    """Write who holds it, where that can be; not through a second name that the file has elsewhere."""
    with suppress(OSError):
        if os.fstat(lock).st_nlink == 1:
            os.ftruncate(lock, 0)
            os.pwrite(lock, text.encode(), 0)
