"""What is compared of each row, in files that have no name: read again where it is needed, gone with the process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

UNIT = 127
"""Length of a vector, before it is rounded."""


class Spool:
    """Byte strings by row, and entries: short vectors by which rows are found that may be alike."""

    def __init__(self, num_terms: int) -> None:
        self._values, self._entries = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - until `close`
        self._num_terms = num_terms
        self._sizes: list[npt.NDArray[np.uint32]] = []
        self._rows: list[npt.NDArray[np.uint32]] = []
        self._offsets: npt.NDArray[np.int64] | None = None

    def add(self, values: Sequence[bytes]) -> None:
        """Those of the next rows."""
        self._sizes.append(np.array([len(value) for value in values], np.uint32))
        self._values.write(b"".join(values))

    def add_entries(self, rows: npt.NDArray[np.int64], *vectors: npt.NDArray[np.float32]) -> None:
        """E entries that belong to rows (E,), of vectors (E, n) side by side whose lengths are of no account."""
        self._entries.write(np.hstack([_eight_bits(each) for each in vectors]).tobytes())
        self._rows.append(rows.astype(np.uint32))

    def rows(self) -> npt.NDArray[np.uint32]:
        """That of each entry, (E,)."""
        self._rows = [np.concatenate([np.zeros(0, np.uint32), *self._rows])]
        return self._rows[0]

    def entries(self) -> npt.NDArray[np.int8]:
        """All of them, (E, num_terms), in the file and not in memory."""
        num_entries = len(self.rows())
        if not num_entries:
            return np.zeros((0, self._num_terms), np.int8)
        self._entries.flush()
        return np.memmap(self._entries, np.int8, "r", shape=(num_entries, self._num_terms))

    def value(self, row: int) -> bytes:
        """That of a row."""
        if self._offsets is None:
            self._values.flush()
            self._offsets = np.cumsum(np.concatenate([np.zeros(1, np.int64), *self._sizes]), dtype=np.int64)
            self._sizes = []
        start, stop = int(self._offsets[row]), int(self._offsets[row + 1])
        return os.pread(self._values.fileno(), stop - start, start)

    def close(self) -> None:
        """Give the disk back."""
        self._values.close()
        self._entries.close()


def _eight_bits(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """At the length `UNIT`; one of length 0 stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    steps: npt.NDArray[np.int8] = np.rint(vectors / np.maximum(lengths, 1e-9) * UNIT).astype(np.int8)
    return steps
