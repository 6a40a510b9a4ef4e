"""Rows of large tables brought together by their keys, some at a time: each is read once, and parted on local disk."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROWS_OF_SHARE = 100_000
"""About: of each table, in memory at a time."""
MOST_SHARES = 256


def together(
    tables: Sequence[tuple[pa.Schema, Iterable[pa.Table]]], key: str, num_rows: int
) -> Iterator[list[pa.Table]]:
    """The rows of several tables, such that those with the same text in `key` come together; else in their order.

    What is parted lies in files without names, which a kill leaves nothing of.

    Args:
        tables: schema and rows of each, some rows at a time.
        key: a column of all of them.
        num_rows: of the largest one, about.
    """
    count = min(MOST_SHARES, max(1, -(-num_rows // ROWS_OF_SHARE)))
    with ExitStack() as stack:
        parted = [[stack.enter_context(_Spilled(schema)) for _ in range(count)] for schema, _ in tables]
        for shares, (_, rows) in zip(parted, tables, strict=True):
            for batch in rows:
                _part(batch, key, shares)
        for number in range(count):
            yield [shares[number].read() for shares in parted]


class _Spilled:
    """Rows in a temporary file."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema.remove_metadata()

    def __enter__(self) -> _Spilled:
        self._file: IO[bytes] = tempfile.TemporaryFile()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pa.ipc.new_stream(self._file, self._schema, options=options)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rows: pa.Table) -> None:
        """More of them."""
        self._writer.write_table(rows.replace_schema_metadata().cast(self._schema))

    def read(self) -> pa.Table:
        """All of them; adding ends here."""
        self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as stream:
            return stream.read_all()


def _part(rows: pa.Table, key: str, shares: Sequence[_Spilled]) -> None:
    """Which share a row belongs to, the last two characters of its key tell: those of hashes are spread evenly."""
    if len(shares) == 1:
        shares[0].add(rows)
        return
    tails = pc.utf8_slice_codeunits(pc.fill_null(rows[key], ""), -2).combine_chunks().dictionary_encode()
    hashes = [zlib.crc32(tail.encode("utf-8", "surrogatepass")) % len(shares) for tail in tails.dictionary.to_pylist()]
    codes = np.array(hashes, np.int64)[tails.indices.to_numpy()]
    order = np.argsort(codes, kind="stable")
    rows, edges = rows.take(order), np.searchsorted(codes[order], np.arange(len(shares) + 1))
    for share, start, stop in zip(shares, edges[:-1], edges[1:], strict=True):
        if stop > start:
            share.add(rows.slice(start, stop - start))
