"""Parquet tables at a location, written whole or not at all: small ones in a file, large ones in a folder of parts.

A folder of parts is read and rewritten a row group at a time, and replaced at once:

- On a disk, a new generation is written into a hidden folder beside the old one, `.clips.1f0c3a2b.tmp`, and the two
  folders are exchanged in one step of the kernel (`storage.replace_folder`). Parts bear their generation in their
  names, so that who has listed the folder before and opens its files after finds them gone, not mixed.
- A bucket has nothing that changes several objects at once, but shows an object only when it is complete. There the
  whole table is one object, which is made on the local disk first and takes the name of the first one before it. A
  bucket that was filled from a disk may have had more: they are deleted then, and until they are, our readers pass
  over parts of another generation than the first one's; pandas, for that moment, does not.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from preprocess.io import storage
from preprocess.io.roots import Roots

GROUP_ROWS = 20_000
"""Rows of a row group, which is what is in memory at a time: 20 MB, or 60 MB with vectors of 768 numbers."""
PART_ROWS = 5 * GROUP_ROWS
"""Rows of a part."""
_GENERATION = b"clipmill_generation"


def read_table(location: str, columns: list[str] | None = None) -> pa.Table | None:
    """The table in a file, or None where there is none."""
    data = storage.read_bytes(location)
    # Arrow's threads let go of the Python bytes after `read` has returned; at the interpreter's exit that is a crash.
    return None if data is None else pq.ParquetFile(io.BytesIO(data)).read(columns=columns, use_threads=False)


def write_table(location: str, table: pa.Table, *, group_rows: int = 100_000) -> None:
    """Write to a temporary name and rename."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=group_rows)
    storage.write_atomic(location, sink.getvalue())


class PartedTable:
    """The table in a folder of Parquet files; a row group at a time is in memory."""

    def __init__(self, folder: str) -> None:
        self._folder = storage.settled_folder(folder)
        self._name = ""
        self.groups: list[tuple[str, int]] = []
        """File and number of the row group in it, in the order of the rows."""
        self.num_rows = 0
        self.schema: pa.Schema | None = None
        """None where there is no table."""
        for name in storage.list_files(self._folder, ".parquet"):
            file = self._open(name)
            schema = file.schema_arrow
            if self.schema is not None and generation_of(schema) != generation_of(self.schema):
                continue
            self.schema = schema if self.schema is None else self.schema
            self.groups += [(name, number) for number in range(file.num_row_groups)]
            self.num_rows += file.metadata.num_rows

    def read(self, group: int, columns: list[str] | None = None) -> pa.Table:
        """The rows of a group, by its number in `groups`."""
        name, number = self.groups[group]
        return self._open(name).read_row_group(number, columns=columns, use_threads=False)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows, group by group; of the `columns`, those that there are."""
        if self.schema is not None and columns is not None:
            columns = [name for name in columns if name in self.schema.names]
        return (self.read(group, columns) for group in range(len(self.groups)))

    def read_all(self, columns: list[str] | None = None) -> pa.Table:
        """All rows at once, in the types of the first file; of the `columns`, those that there are."""
        assert self.schema is not None, f"no table in {self._folder!r}"
        names = self.schema.names if columns is None else [name for name in columns if name in self.schema.names]
        schema = pa.schema([self.schema.field(name) for name in names], self.schema.metadata)
        return pa.concat_tables([schema.empty_table(), *self.batches(names)])

    def _open(self, name: str) -> pq.ParquetFile:
        if name != self._name:
            self._file = pq.ParquetFile(storage.open_file(storage.join(self._folder, name)))
            self._name = name
        return self._file


def write_parts(folder: str, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Replace the table in a folder by `tables` of any length, which may be read from the old one while it lasts.

    The same rows with the same schema give the same bytes. A schema that names its generation, as that of a table that
    is to come back does, keeps it.
    """
    if _GENERATION not in (schema.metadata or {}):
        schema = schema.with_metadata((schema.metadata or {}) | {_GENERATION: uuid.uuid4().hex[:8].encode()})
    generation, schema = schema.metadata[_GENERATION].decode(), _as_read(schema)
    if storage.is_remote(folder):
        _upload(folder, tables, schema)
        return
    target = Path(os.fsdecode(storage.local_path(folder)))
    staged = target.with_name(f".{target.name}.{generation}.tmp")
    staged.mkdir(parents=True)
    groups = _regrouped(tables)
    for number in itertools.count():
        rows = list(itertools.islice(groups, 1))
        if number and not rows:
            break
        part = itertools.chain(rows, itertools.islice(groups, PART_ROWS // GROUP_ROWS - 1))
        with (staged / f"part-{number:05}-{generation}.parquet").open("wb") as stream:
            _write(stream, part, schema)
            stream.flush()
            os.fsync(stream.fileno())
    storage.replace_folder(staged, target)


def _as_read(schema: pa.Schema) -> pa.Schema:
    """The schema as it is read back, so that a table which is read and written again has the same bytes: what is said
    beside it in one order, and what lists hold by the name that Parquet gives it."""
    fields = []
    for field in schema:
        kind = field.type
        if pa.types.is_list(kind):
            kind = pa.list_(kind.value_field.with_name("element"))
        elif pa.types.is_fixed_size_list(kind):
            kind = pa.list_(kind.value_field.with_name("element"), kind.list_size)
        fields.append(pa.field(field.name, kind, field.nullable, _sorted(field.metadata) or None))
    return pa.schema(fields, _sorted(schema.metadata))


def _sorted(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
    return dict(sorted((metadata or {}).items()))


def drop_other_generations(folder: str) -> None:
    """Of a table in a bucket, delete the parts of another generation than the first one's, which it has replaced."""
    names = storage.list_files(folder, ".parquet") if storage.is_remote(folder) else []
    if len(names) > 1:
        generations = {name: generation_of(_schema(storage.join(folder, name))) for name in names}
        for name in names[1:]:
            if generations[name] != generations[names[0]]:
                storage.delete(storage.join(folder, name))


def _upload(folder: str, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    names = storage.list_files(folder, ".parquet") or ["part-00000.parquet"]
    with tempfile.TemporaryFile() as whole:  # without a name: a kill leaves nothing of it
        _write(whole, _regrouped(tables), schema)
        whole.flush()
        storage.upload(whole, storage.join(folder, names[0]))
    for name in names[1:]:
        storage.delete(storage.join(folder, name))


def _regrouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `GROUP_ROWS`, the last one shorter."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count >= GROUP_ROWS:
            rows = pa.concat_tables(waiting)
            while count >= GROUP_ROWS:
                yield rows.slice(0, GROUP_ROWS)
                rows, count = rows.slice(GROUP_ROWS), count - GROUP_ROWS
            waiting = [rows]
    if count:
        yield pa.concat_tables(waiting)


def _write(stream: IO[bytes], groups: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write a file of these row groups."""
    with pq.ParquetWriter(stream, schema, compression="zstd", use_dictionary=_repeating(schema)) as writer:
        for group in groups:
            # where chunks end has a say in where pages do
            writer.write_table(group.cast(schema).combine_chunks(), row_group_size=GROUP_ROWS)


def _repeating(schema: pa.Schema) -> list[str]:
    """The columns whose values come again; to look for repetitions among measurements costs time and memory."""
    texts = {field.name: field.type for field in schema if not pa.types.is_floating(field.type)}
    lists = {name: kind.value_type for name, kind in texts.items() if pa.types.is_list(kind)}
    paths = [f"{name}.list.element" for name, kind in lists.items() if not pa.types.is_floating(kind)]
    return [*paths, *(name for name in texts if name not in lists)]


def _schema(location: str) -> pa.Schema:
    return pq.ParquetFile(storage.open_file(location)).schema_arrow


def generation_of(schema: pa.Schema) -> bytes | None:
    """Of the table in a folder of parts: another one after each change."""
    return (schema.metadata or {}).get(_GENERATION)


def rows_where(location: str, column: str, values: pa.Array) -> Iterator[pa.Table]:
    """The rows of a file whose `column` is among `values`, from the row groups that have some; others are not read."""
    file = pq.ParquetFile(storage.open_file(location))
    chosen = pc.is_in(file.read([column], use_threads=False)[column], value_set=values)
    start = 0
    for group in range(file.num_row_groups):
        rows = chosen.slice(start, file.metadata.row_group(group).num_rows)
        start += len(rows)
        if pc.any(rows).as_py():
            yield file.read_row_group(group, use_threads=False).filter(rows)


def differing(one: pa.ChunkedArray | pa.Array, other: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.bool_]:
    """Where two columns (N,) of texts, or of lists of them, differ; null differs from all but null."""
    if not pa.types.is_list(one.type):
        both_null = pc.and_(pc.is_null(one), pc.is_null(other))
        unequal = pc.fill_null(pc.not_equal(one, other), True)
        return np.asarray(pc.and_not(unequal, both_null).to_numpy(zero_copy_only=False), np.bool_)
    lengths, others = (
        np.asarray(pc.fill_null(pc.list_value_length(each), -1).to_numpy(), np.int64) for each in (one, other)
    )
    unequal = lengths != others
    alike = pa.array(~unequal)
    elements = differing(pc.list_flatten(one.filter(alike)), pc.list_flatten(other.filter(alike)))
    sums = np.concatenate([[0], np.cumsum(elements)])
    ends = np.cumsum(np.maximum(lengths[~unequal], 0))
    unequal[~unequal] = sums[ends] != sums[ends - np.maximum(lengths[~unequal], 0)]
    return np.asarray(unequal, np.bool_)


def with_rows(table: pa.Table, places: npt.NDArray[np.int64], rows: pa.Table) -> pa.Table:
    """The table with `rows` (N) in the stead of those at `places` (N,), in the columns that `rows` has."""
    if not len(places):
        return table
    chosen = np.arange(table.num_rows)
    chosen[places] = table.num_rows + np.arange(len(places))
    for name in rows.column_names:
        values = pa.chunked_array([*table[name].chunks, *rows[name].chunks]).take(pa.array(chosen))
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), values)
    return table


def with_moved(table: pa.Table, column: str, roots: Roots) -> pa.Table:
    """The table with the locations in a column where `roots` has them now."""
    coded = table[column].combine_chunks().dictionary_encode()
    now = pa.array([None if uri is None else roots.moved(uri) for uri in coded.dictionary.to_pylist()], pa.string())
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), now.take(coded.indices))


def rows_of(table: pa.Table) -> list[Mapping[str, Any]]:
    """The rows by column name. A column becomes Python values when it is first asked for, all rows at once."""
    columns = _Columns(table)
    return [_Row(columns, index) for index in range(table.num_rows)]


class _Columns(dict[str, list[Any]]):
    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __missing__(self, name: str) -> list[Any]:
        self[name] = self.table.column(name).to_pylist()
        return self[name]


class _Row(Mapping[str, Any]):
    __slots__ = ("_columns", "_index")

    def __init__(self, columns: _Columns, index: int) -> None:
        self._columns = columns
        self._index = index

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns.table.column_names)

    def __len__(self) -> int:
        return int(self._columns.table.num_columns)


def finite(value: object) -> float | None:
    """A cell's value where it is a finite number; tables turn null into NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
