"""A file of which only ranges can be had, each at the price of a request: read ahead where it is read in order.

Decoders read a few kilobytes at a time, mostly forward, and jump to the end of a file for its index. So a read at a new
place fetches little, and one that goes on where the last ended fetches twice as much as that did, up to some MiB, with
the next stretch on its way in a thread. What was fetched is kept for a while: a film of up to 32 MiB is read twice, for
its content id and to be decoded, and fetched once.
"""

from __future__ import annotations

import io
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from preprocess.io.stores.store import FIRST_BYTES, Reader

AHEAD_BYTES = 4 << 20
"""Of one request when a file is read in order."""
KEPT_BYTES = 40 << 20
"""Of what was fetched: with the stretch on its way, what an open file may cost a worker."""
_NEAR_BYTES = 256 << 10
"""A read that skips no more than this goes on: packets of other streams are passed over so."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    start: int
    data: bytes

    @property
    def stop(self) -> int:
        return self.start + len(self.data)


class RangedFile(io.RawIOBase):
    """A `Reader` as a seekable file. Reads give all that was asked for, but at the end."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._size = reader.entry.size_bytes
        self._position = 0
        self._stretches = [_Stretch(0, reader.begin)]
        """In the order of use, the last one at the end."""
        self._ahead: tuple[int, int, Future[bytes]] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Costs nothing: the next read may."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer.

        Raises:
            StorageError: the bytes could not be had.
        """
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._size - self._position))
        done = 0
        while done < wanted:
            stretch = self._stretch(self._position, wanted - done)
            offset = self._position - stretch.start
            piece = stretch.data[offset : offset + wanted - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def close(self) -> None:
        """A request that is on its way is not waited for."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
        self._stretches, self._ahead = [], None
        if not self.closed:
            self._reader.close()
        super().close()

    def _stretch(self, position: int, wanted: int) -> _Stretch:
        """The stretch that holds `position`, fetched where none does."""
        for stretch in reversed(self._stretches):
            if stretch.start <= position < stretch.stop:
                if stretch is not self._stretches[-1]:
                    self._stretches.remove(stretch)
                    self._stretches.append(stretch)
                return stretch
        if self._ahead is not None and self._ahead[0] <= position < self._ahead[1]:
            start, stop, coming = self._ahead
            self._ahead = None
            fetched = _Stretch(start, coming.result())
            num_bytes = stop - start
        else:
            last = next((s for s in reversed(self._stretches) if 0 <= position - s.stop <= _NEAR_BYTES), None)
            num_bytes = FIRST_BYTES if last is None else min(AHEAD_BYTES, 2 * len(last.data))
            stop = min(self._size, position + max(num_bytes, wanted))
            fetched = _Stretch(position, self._reader.read(position, stop))
        self._keep(fetched)
        if num_bytes >= AHEAD_BYTES // 4:
            self._fetch_ahead(fetched.stop, min(self._size, fetched.stop + min(AHEAD_BYTES, 2 * num_bytes)))
        return fetched

    def _keep(self, fetched: _Stretch) -> None:
        self._stretches.append(fetched)
        while len(self._stretches) > 1 and sum(len(stretch.data) for stretch in self._stretches) > KEPT_BYTES:
            self._stretches.pop(0)

    def _fetch_ahead(self, start: int, stop: int) -> None:
        if start >= stop or any(stretch.start <= start < stretch.stop for stretch in self._stretches):
            return
        if self._ahead is not None:
            if self._ahead[0] == start:
                return
            self._ahead[2].cancel()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._ahead = (start, stop, self._thread.submit(self._reader.read, start, stop))
