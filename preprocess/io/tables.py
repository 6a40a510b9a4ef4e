"""Parquet tables at a location, written whole or not at all, and read whole or row group by row group."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator

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


class StoredTable:
    """A table in all the Parquet files of a folder, of which one row group at a time is in memory."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._name = ""
        self.groups: list[tuple[str, int]] = []
        """Name of the file and number of the row group in it, in the order of the rows."""
        schemas = []
        self.num_rows = 0
        for name in storage.list_files(folder, ".parquet"):
            file = self._open(name)
            self.groups += [(name, number) for number in range(file.num_row_groups)]
            self.num_rows += file.metadata.num_rows
            schemas.append(file.schema_arrow)
        self.schema = pa.unify_schemas(schemas, promote_options="permissive") if schemas else None
        """None where there is no file."""

    def read(self, group: int, columns: list[str] | None = None) -> pa.Table:
        """The rows of a group, by its number in `groups`."""
        name, number = self.groups[group]
        return self._open(name).read_row_group(number, columns=columns, use_threads=False)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows, group by group."""
        return (self.read(group, columns) for group in range(len(self.groups)))

    def read_all(self, columns: list[str] | None = None) -> pa.Table | None:
        """All rows at once; None where there is no file."""
        if self.schema is None:
            return None
        chosen = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        tables = [chosen.empty_table(), *self.batches(columns)]
        return pa.concat_tables(tables, promote_options="permissive").replace_schema_metadata(self.schema.metadata)

    def _open(self, name: str) -> pq.ParquetFile:
        if name != self._name:
            system, path = storage.filesystem(storage.join(self._folder, name))
            self._file = pq.ParquetFile(system.open_input_file(path))
            self._name = name
        return self._file


def finite(value: object) -> float | None:
    """A cell's value where it is a finite number; tables turn null into NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
