"""Whether the tables have the columns that they should, of the types that they should."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.terminal import shown
from pipelines.validation.findings import Findings
from preprocess.clip import CLIP_COLUMNS, Column
from preprocess.io import storage
from preprocess.io.tables import PartedTable
from preprocess.manifest import Manifest, fingerprint_of
from preprocess.schema import (
    CAPTION_COLUMNS,
    DECISION_COLUMNS,
    ORIGIN_COLUMNS,
    SCHEMA_VERSION,
    SOURCE_COLUMNS,
    is_vector,
)

VERSION = b"clipmill_schema_version"


def check_schemas(
    manifest: Manifest, clips: PartedTable, sources: PartedTable, measured: Mapping[str, Column], fingerprint: object
) -> Findings:
    """The columns of both tables, those of the recipe's measurements included, and what tables say of themselves."""
    found = Findings()
    wanted = (*CLIP_COLUMNS, *measured.values(), *CAPTION_COLUMNS, *ORIGIN_COLUMNS, *DECISION_COLUMNS)
    for name, table, columns in (("clips", clips, wanted), ("sources", sources, SOURCE_COLUMNS)):
        if table.schema is None:
            found.wrong("tables that are not there", [name])
            continue
        said = (table.schema.metadata or {}).get(VERSION, b"").decode(errors="replace")
        if said != str(SCHEMA_VERSION):
            old = f"{name}/ is of schema version {shown(said) or 'unknown'}"
            found.notes.append(f"{old}, and {SCHEMA_VERSION} is written now: `curate` brings it up to date")
        _check_columns(found, name, table.schema, columns)
        if table is clips and fingerprint_of(table.schema) not in (None, fingerprint):
            found.wrong("tables that were decided by another recipe than that of run.json", [name])
        _check_parts(found, manifest, name, table)
    return found


def _check_columns(found: Findings, name: str, schema: pa.Schema, wanted: Iterable[Column]) -> None:
    for column in wanted:
        kinds = [each.type for each in schema if each.name == column.name]
        if not kinds:
            found.wrong(f"columns that {name}/ lacks", [column.name])
        elif len(kinds) > 1:
            found.wrong(f"columns that {name}/ has twice", [column.name])
        elif not _is_of(kinds[0], column.type):
            found.wrong(f"columns of {name}/ of another type", [f"{column.name} is {kinds[0]} and not {column.type}"])


def _is_of(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """A vector may have a fixed size, and what lists hold may bear any name."""
    if is_vector(wanted):
        return is_vector(kind)
    if pa.types.is_list(kind) and pa.types.is_list(wanted):
        return bool(kind.value_type == wanted.value_type)
    return bool(kind == wanted)


def _check_parts(found: Findings, manifest: Manifest, name: str, table: PartedTable) -> None:
    """All files of a table have its columns."""
    for part in dict.fromkeys(part for part, _ in table.groups):
        with storage.open_file(storage.join(manifest.location, name, part)) as file:
            if not pq.ParquetFile(file).schema_arrow.equals(table.schema):
                found.wrong("files whose columns differ from those of the first one", [f"{name}/{part}"])
