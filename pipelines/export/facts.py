"""What travels along with a clip: its caption, its file, and its row in the manifest with licence and origin."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.export.captions import one_line
from pipelines.export.content import Export, Item
from preprocess.cutting.result import FILE_COLUMNS

STAYS = ("status", "reasons")
"""Columns that say nothing of a clip that is exported."""


def facts_of(item: Item) -> dict[str, Any]:
    """As JSON has them, under the manifest's names; `caption` is that of the export."""
    return {name: _plain(value) for name, value in _row(item).items()}


def table_of(export: Export, items: Iterable[Item]) -> pa.Table:
    """The same in the manifest's own types."""
    rows = [_row(item) for item in items]
    own = {column.name for column in FILE_COLUMNS} | {"caption", "split", *STAYS}
    fields = [field for field in export.schema if field.name not in own]
    added = [pa.field("caption", pa.string()), pa.field("split", pa.string()), *(each.field for each in FILE_COLUMNS)]
    return pa.Table.from_pylist(rows, pa.schema([*fields, *added]))


def parquet_of(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _row(item: Item) -> dict[str, Any]:
    row = {name: value for name, value in item.row.items() if name not in STAYS}
    return {**row, "caption": item.caption, "split": item.split, **item.file.columns}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
