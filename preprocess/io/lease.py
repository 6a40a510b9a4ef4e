"""Exclusive use of a folder in a bucket: an object says who holds it, and is written anew for as long as he lives.

Buckets have no locks. `OUT/.lease` changes hands by conditional writes where the storage has them (S3 and what speaks
its language), so that of two who come at once one is refused. Elsewhere the one who wrote last holds it, and the other
sees so after a pause.

No two machines' clocks are compared. A lease is dead when it has not changed for `EXPIRY_SECONDS` while somebody
watched it, or at once where it is of a process of this machine that is no more. Its holder may have slept so long that
somebody took it over; before a table is changed he proves that it still is his.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from preprocess.errors import StorageError
from preprocess.io import storage

BEAT_SECONDS = 5.0
EXPIRY_SECONDS = 30.0
FRESH_SECONDS = 10.0
"""So long after a beat nobody can have taken it over: it would have had to be watched for longer."""
SETTLE_SECONDS = 2.0
"""Without conditional writes, how long after a claim another one may still show up."""
LAST_WORDS_SECONDS = 5.0
"""How long the end of a run may wait for its lease to be given back."""

_LIVING: set[str] = set()
"""The leases that this process holds or asks for."""

_log = logging.getLogger("clipmill")


class Lease:
    """That of one run over a location in a bucket."""

    def __init__(self, location: str) -> None:
        """Take it.

        Raises:
            ValueError: another run holds it.
            StorageError: the storage refuses or does not answer.
        """
        self._location = location
        self._place = storage.join(location, ".lease")
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._said: dict[str, Any] = {
            "holder": f"process {os.getpid()} on {socket.gethostname()} since {since}",
            "id": uuid.uuid4().hex,
            "process": _this_process(),
        }
        self._beats = 0
        self._own: tuple[bytes, str] | None = None
        self._renewed = 0.0
        self._lost_to: str | None = None
        self._turn = threading.Lock()
        self._ended = threading.Event()
        _LIVING.add(self._said["id"])
        try:
            self._take()
        except BaseException:
            _LIVING.discard(self._said["id"])
            raise
        self._thread = threading.Thread(target=self._live, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Asks nobody.

        Raises:
            ValueError: it is known that another run has taken it over.
        """
        if self._lost_to is not None:
            raise ValueError(
                f"{self._location!r} was taken over by another run ({self._lost_to}), since this one gave no sign of "
                "life; nothing is lost: run the same command again when that one has ended"
            )

    def confirm(self) -> None:
        """Make sure of it, before something is changed that others may be changing.

        Raises:
            ValueError: another run has taken it over.
            StorageError: the storage does not say.
        """
        with self._turn:
            if self._lost_to is None and _clock() - self._renewed > FRESH_SECONDS:
                self._renew()
        self.check()

    def release(self) -> None:
        """Let others have it."""
        _LIVING.discard(self._said["id"])
        self._ended.set()
        self._thread.join(LAST_WORDS_SECONDS)

    def _take(self) -> None:
        watched: bytes | None = None
        since = 0.0
        while True:
            began = _clock()
            found = storage.read_tagged(self._place)
            there = {} if found is None else _read(found[0])
            free = found is None or _is_over(there)
            if not free and found is not None:
                if watched is None:
                    watched, since = found[0], time.monotonic()
                    if not _lives_here(there):
                        _log.info("%r: waiting for a sign of life of %s", self._location, _holder(there))
                if found[0] != watched or _lives_here(there):
                    raise ValueError(f"{self._location!r} is in use by another run ({_holder(there)})")
                free = time.monotonic() - since >= EXPIRY_SECONDS
            if free:
                if self._swap(found, self._words(), pause_seconds=SETTLE_SECONDS):
                    self._renewed = began
                    return
                watched = None  # somebody was faster
            else:
                time.sleep(1.0)

    def _live(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                with self._turn:
                    if self._lost_to is None:
                        self._renew()
            except StorageError as error:  # a storage that is away takes no lease from others, either
                _log.debug("%s: %s", self._place, error)
        try:
            with self._turn:
                if self._lost_to is None:
                    self._swap(self._own, b'{"holder": null}')
        except StorageError as error:
            _log.debug("%s: %s", self._place, error)

    def _renew(self) -> None:
        """One more sign of life; twice where the answer to the last one was lost."""
        for _ in range(2):
            began = _clock()
            if self._swap(self._own, self._words()):
                self._renewed = began
                return
            found = storage.read_tagged(self._place)
            there = {} if found is None else _read(found[0])
            if there.get("id") != self._said["id"]:
                self._lost_to = _holder(there)
                return
            self._own = found

    def _words(self) -> bytes:
        self._beats += 1
        return json.dumps(self._said | {"beat": self._beats}).encode()

    def _swap(self, found: tuple[bytes, str] | None, data: bytes, *, pause_seconds: float = 0.0) -> bool:
        """Write `data` in the place of what was found; False where somebody else has written meanwhile."""
        try:
            tag = storage.write_if(self._place, data, None if found is None else found[1])
        except NotImplementedError:
            tag = self._swap_unguarded(found, data, pause_seconds)
        if tag is not None:
            self._own = (data, tag)
        return tag is not None

    def _swap_unguarded(self, found: tuple[bytes, str] | None, data: bytes, pause_seconds: float) -> str | None:
        now = storage.read_tagged(self._place)
        if (now and now[0]) != (found and found[0]):
            return None
        storage.write_atomic(self._place, data)
        time.sleep(pause_seconds)
        now = storage.read_tagged(self._place)
        return now[1] if now is not None and now[0] == data else None


def _read(data: bytes) -> dict[str, Any]:
    """What a lease says; nothing, where it is none of ours."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _holder(said: dict[str, Any]) -> str:
    return str(said.get("holder") or "unknown")[:200]


def _is_over(said: dict[str, Any]) -> bool:
    """Given back, or of a process of this machine that is no more."""
    if "holder" in said and said["holder"] is None:
        return True
    return _is_here(said) and not _lives_here(said)


def _lives_here(said: dict[str, Any]) -> bool:
    if not _is_here(said):
        return False
    process = said["process"]
    if process == _this_process():
        return said.get("id") in _LIVING
    return bool(process == _process(process.get("pid")))


def _is_here(said: dict[str, Any]) -> bool:
    process, ours = said.get("process"), _this_process()
    return isinstance(process, dict) and ours is not None and process.get("machine") == ours["machine"]


def _this_process() -> dict[str, Any] | None:
    return _process(os.getpid())


def _process(pid: object) -> dict[str, Any] | None:
    """What tells a process of this machine from all others of all times, containers and machines; None where there is
    none, or where this is not Linux."""
    proc = Path("/proc")
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(proc / "self/ns/pid")  # noqa: PTH115 - it is no path
        state, *facts = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if state in "ZX":  # dead, and only its parent has not heard of it
        return None
    return {"machine": f"{boot} {namespace}", "pid": pid, "started": facts[18]}


def _clock() -> float:
    """Seconds that go on while a machine sleeps, where it counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
