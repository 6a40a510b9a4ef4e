"""Rows of clips in the order of their sources, taken from the table as it is and from parts, a few at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pyarrow as pa

from preprocess.clip import Row
from preprocess.compaction import Compaction, StoredSpan
from preprocess.io.tables import PartedTable
from preprocess.schema import ORIGIN, Columns, cast_column, clip_schema, is_vector, lengths_of, sized


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Rows [start, stop) of a row group of the old table."""

    group: int
    start: int
    stop: int
    uri: str
    """What their `source_uri` is; once it is known under which uri they are listed: that one, or "" where it is."""


def gathered_clips(
    old: PartedTable, plan: Compaction, read_part: Callable[[str], pa.Table], schema: pa.Schema
) -> Iterator[pa.Table]:
    """The clips of each source in `plan`, source by source in the order of time, in tables of any length.

    `read_part` gives a part's rows; columns of `schema` that they or the old table lack are null. Licence and the like
    are those of the source.
    """
    origins = {row["source_id"]: row for row in plan.sources if plan.owners.get(row["source_id"]) == row["uri"]}
    old_rows, part_rows = lru_cache(2)(old.read), lru_cache(4)(read_part)
    for piece in _joined(_pieces(plan, _runs_by_source(old))):
        if isinstance(piece, _Run):
            rows = old_rows(piece.group).slice(piece.start, piece.stop - piece.start)
            yield _with_origins(_in_schema(rows, schema, piece.uri), origins)
        else:
            tables = [_clips_of(part_rows(span.part), span.row) for span in piece]
            rows = pa.concat_tables([_in_schema(table, schema) for table in tables])
            yield _with_origins(rows.sort_by("start_pts"), origins)


def gathered_schema(
    old: PartedTable, plan: Compaction, read_part: Callable[[str, list[str]], pa.Table], columns: Columns
) -> pa.Schema:
    """Of the table of clips to come: columns that were added by a single filter stay. A vector has a fixed size where
    the old table gives it one, or has none of that name, and all that is new agrees."""
    fields = {field.name: field for field in ([] if old.schema is None else old.schema)}
    parts = sorted({span.part for spans in plan.fresh.values() for span in spans})
    for field in clip_schema(columns):
        before = fields.get(field.name)
        if is_vector(field.type) and (before is None or pa.types.is_fixed_size_list(before.type)):
            lengths = {length for part in parts for length in _lengths(read_part, part, field.name)}
            field = sized(field, lengths | ({before.type.list_size} if before is not None else set()))
        fields[field.name] = field
    return pa.schema(list(fields.values()))


def _lengths(read_part: Callable[[str, list[str]], pa.Table], part: str, column: str) -> set[int]:
    """Of a vector's values in a part."""
    clips = read_part(part, [f"clips.list.element.{column}.list.element"])["clips"].combine_chunks().flatten()
    return lengths_of(pa.Table.from_struct_array(clips)[column]) if len(clips) else set()


def _pieces(plan: Compaction, runs: dict[str, list[_Run]]) -> Iterator[_Run | Sequence[StoredSpan]]:
    """Where the rows of each source are, in the order of the sources."""
    for source in plan.sources:
        uri, source_id = source["uri"], source["source_id"]
        if plan.owners.get(source_id) != uri:
            continue
        if uri in plan.fresh:
            yield plan.fresh[uri]
        else:
            yield from (replace(run, uri="" if run.uri == uri else uri) for run in runs.get(source_id, ()))


def _joined(pieces: Iterable[_Run | Sequence[StoredSpan]]) -> Iterator[_Run | Sequence[StoredSpan]]:
    """The same with runs that adjoin made one, so that a table that changes little is copied in few steps."""
    last: _Run | None = None
    for piece in pieces:
        if isinstance(piece, _Run) and last is not None and _adjoin(last, piece):
            last = replace(last, stop=piece.stop)
            continue
        if last is not None:
            yield last
            last = None
        if isinstance(piece, _Run):
            last = piece
        else:
            yield piece
    if last is not None:
        yield last


def _adjoin(first: _Run, second: _Run) -> bool:
    return (first.group, first.stop, first.uri, second.uri) == (second.group, second.start, "", "")


def _runs_by_source(old: PartedTable) -> dict[str, list[_Run]]:
    """Where the rows of each source_id are in the old table."""
    runs: dict[str, list[_Run]] = {}
    for group, table in enumerate(old.batches(["source_id", "source_uri"])):
        ids, uris = table["source_id"].combine_chunks(), table["source_uri"].combine_chunks()
        codes = ids.dictionary_encode().indices.to_numpy(zero_copy_only=False)
        edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        for start, stop in itertools.pairwise(edges):
            if start < stop:
                run = _Run(group=group, start=start, stop=stop, uri=uris[start].as_py())
                runs.setdefault(ids[start].as_py(), []).append(run)
    return runs


def _clips_of(part: pa.Table, row: int) -> pa.Table:
    """The clips of one span of a part."""
    clips = part["clips"].combine_chunks()
    return pa.Table.from_struct_array(clips.slice(row, 1).flatten())


def _in_schema(rows: pa.Table, schema: pa.Schema, uri: str = "") -> pa.Table:
    """Exactly the columns of `schema`; `uri` replaces `source_uri` where there is one."""
    columns = [
        cast_column(rows[field.name], field.type)
        if field.name in rows.column_names
        else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    table = pa.Table.from_arrays(columns, schema=schema)
    if uri:
        index = schema.get_field_index("source_uri")
        table = table.set_column(index, schema.field(index), pa.array([uri] * len(rows), pa.string()))
    return table


def _with_origins(clips: pa.Table, origins: Mapping[str, Row]) -> pa.Table:
    """With what is known of the sources that they are from."""
    coded = clips["source_id"].combine_chunks().dictionary_encode()
    sources = [origins.get(source_id, {}) for source_id in coded.dictionary.to_pylist()]
    for name in ORIGIN:
        place = clips.schema.get_field_index(name)
        said = pa.array([source.get(name) for source in sources], pa.string()).take(coded.indices)
        clips = clips.set_column(place, clips.schema.field(place), said)
    return clips
