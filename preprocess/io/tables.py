"""Parquet tables at a location, written whole or not at all."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from preprocess.io import storage


def read_table(location: str, columns: list[str] | None = None) -> pa.Table | None:
    """The table, or None where there is none."""
    data = storage.read_bytes(location)
    # Arrow's threads let go of the Python bytes after `read` has returned; at the interpreter's exit that is a crash.
    return None if data is None else pq.ParquetFile(io.BytesIO(data)).read(columns=columns, use_threads=False)


def write_table(location: str, table: pa.Table) -> None:
    """Write to a temporary name and rename."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=100_000)
    storage.write_atomic(location, sink.getvalue())
