"""The manifest on disk: parts while a run goes on, then one table of clips and one of sources.

A finished part *is* the record that its spans are done, so a run that was killed resumes by set difference. Compaction
moves parts into the tables and can itself be killed and repeated at any point:

    OUT/parts/<unit>.parquet     one row a span, its clips nested; written to a temporary name and renamed
    OUT/clips/part-*.parquet     one row a clip, kept or not; 100,000 rows a part, replaced all at once
    OUT/sources/sources.parquet  one row a source file, also for broken ones
    OUT/previews/*.parquet       clip_id and a JPEG strip of three frames
    OUT/run.json                 recipe, fingerprint, versions
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from preprocess.clip import CLIP_COLUMNS, Column, Source, SpanKey
from preprocess.clip import Row as Row
from preprocess.compaction import Compaction, SourceKey, StoredSpan, plan_compaction, settled_sources
from preprocess.gather import gathered_clips
from preprocess.io import storage
from preprocess.io.tables import PartedTable, read_table, rows_where, write_parts, write_table

SCHEMA_VERSION = 1

PREVIEW_ROWS = 2000
"""Previews of a file, about: 16 MB."""
PREVIEW_GROUP_ROWS = 100
"""Previews that are read for the sake of one: a megabyte."""

PROVENANCE = ("license", "url", "title", "author")
"""Columns of `sources/` filled from a JSON file beside the video."""

SOURCE_SCHEMA = pa.schema(
    [
        ("source_id", pa.string()),
        ("uri", pa.string()),
        ("size_bytes", pa.int64()),
        ("modified_ns", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("container", pa.string()),
        ("codec", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("fps", pa.float64()),
        ("duration_seconds", pa.float64()),
        ("num_clips", pa.int64()),
        ("decode_errors", pa.int64()),
        *((name, pa.string()) for name in PROVENANCE),
    ]
)

CAPTION_COLUMNS = (
    Column(
        name="caption",
        type=pa.string(),
        meaning="the detailed one, of clips that no rule spoke against when it was made",
    ),
    Column(name="caption_short", type=pa.string(), meaning="one sentence; null from `attributes`"),
    Column(name="captioner", type=pa.string(), meaning="who was asked; null where nobody was"),
    Column(name="caption_outcome", type=pa.string(), meaning="see below"),
    Column(
        name="prompt_id",
        type=pa.string(),
        meaning="file and content hash of each prompt, such as `detailed_v1@c9076d6b short_v1@84835176`; null from "
        "`attributes`",
    ),
    Column(
        name="caption_issues",
        type=pa.list_(pa.string()),
        meaning="list of doubts about a caption, empty where there is none; without a caption, why, where that is "
        "known",
    ),
)
DECISION_COLUMNS = (
    Column(name="status", type=pa.string(), meaning="`kept` or `rejected`"),
    Column(
        name="reasons",
        type=pa.list_(pa.string()),
        meaning="every rule that was broken, such as `motion:below_0.5`; the first one is the one that dropped it",
    ),
)
CLIP_FIELDS, CAPTION_FIELDS, DECISION_FIELDS = (
    [(column.name, column.type) for column in columns] for columns in (CLIP_COLUMNS, CAPTION_COLUMNS, DECISION_COLUMNS)
)
_ARROW_TYPES: dict[type, pa.DataType] = {
    float: pa.float64(),
    int: pa.int64(),
    str: pa.string(),
    list: pa.list_(pa.float16()),
}

Columns = Mapping[str, type]
"""Scorers' columns with their types: float, int, str, or list for a vector, which is stored as float16."""


def clip_schema(columns: Columns) -> pa.Schema:
    """Schema of `clips/` for the scorers' columns."""
    before = [column.field for column in CLIP_COLUMNS]
    after = [column.field for column in (*CAPTION_COLUMNS, *DECISION_COLUMNS)]
    return pa.schema([*before, *score_fields(columns), *after])


def score_fields(columns: Columns) -> list[tuple[str, pa.DataType]]:
    """The columns with their Arrow types."""
    return [(name, _ARROW_TYPES[kind]) for name, kind in columns.items()]


class Manifest:
    """The tables at one location. Every write is atomic; nothing here knows what a score means."""

    def __init__(self, location: str) -> None:
        self.location = storage.absolute(location)

    def run(self) -> Row | None:
        """The content of run.json, or None before the first run."""
        data = storage.read_bytes(storage.join(self.location, "run.json"))
        return None if data is None else json.loads(data)

    def write_run(self, run: Mapping[str, object]) -> None:
        """Replace run.json."""
        text = json.dumps(run, indent=2, sort_keys=True, ensure_ascii=False)
        storage.write_atomic(storage.join(self.location, "run.json"), text.encode())

    def write_part(self, unit_id: str, spans: Sequence[Row], columns: Columns) -> None:
        """Store the result of a unit. Each row has `key` (SpanKey), `source` (a row of sources/) and `clips`; clips
        carry a `preview` (JPEG bytes or None) beside their columns."""
        schema = _part_schema(columns)
        rows = [
            {"index": span["key"][3], "count": span["key"][4], "source": span["source"], "clips": span["clips"]}
            for span in spans
        ]
        table = pa.Table.from_pylist(rows, schema=schema)
        write_table(self._part(unit_id), table)

    def settled_spans(self) -> set[SpanKey]:
        """Spans that need no more work, from the parts. Sources that are done as a whole: see `settled_sources`."""
        return {span.key for span in self._spans()}

    def settled_sources(self) -> set[SourceKey]:
        """(uri, size, modification time) of the sources that are in the tables, or of which parts have every span."""
        columns = ["uri", "size_bytes", "modified_ns", "status", "source_id"]
        rows = (row for batch in self.parted_sources().batches(columns) for row in batch.to_pylist())
        return settled_sources(list(rows), self._spans())

    def compact(self, listing: Sequence[Source], columns: Columns, metadata: Mapping[str, str]) -> None:
        """Move the parts of finished sources into the tables. Rows come in the order of the files as `listing` has them
        now; then what dead runs left behind is swept, so hold the folder (`storage.exclusive`).

        A source seen under several uris keeps its clips once; the other uris become rows of status `duplicate`.
        """
        table = self.sources()
        before = _rows(table)
        plan = plan_compaction(before, list(self._spans()), listing)
        if table is None or plan.fresh or plan.sources != before:
            self._write_previews(sorted({span.part for spans in plan.fresh.values() for span in spans}))
            self._gather_clips(plan, columns, metadata)
            rows = pa.Table.from_pylist(plan.sources, schema=SOURCE_SCHEMA).replace_schema_metadata(_metadata(metadata))
            write_table(storage.join(self.location, "sources", "sources.parquet"), rows)
        for name in self._parts():  # only now: until the table of sources says so, the parts are the record
            if name not in plan.unfinished:
                storage.delete(storage.join(self.location, "parts", name))
        storage.delete_temporaries(self.location, deep=False)
        for folder in ("parts", "clips", "sources", "previews", "columns"):
            storage.delete_temporaries(storage.join(self.location, folder), deep=True)

    def clips(self, columns: list[str] | None = None) -> pa.Table | None:
        """The table of clips, all rows at once, or None before the first compaction; of `columns`, those it has."""
        table = self.parted_clips()
        return None if table.schema is None else table.read_all(columns)

    def parted_clips(self) -> PartedTable:
        """The table of clips, to be read a few rows at a time."""
        return PartedTable(storage.join(self.location, "clips"))

    def sources(self) -> pa.Table | None:
        """The table of sources, all rows at once, or None before the first compaction."""
        return read_table(storage.join(self.location, "sources", "sources.parquet"))

    def parted_sources(self) -> PartedTable:
        """The table of sources, to be read some rows at a time."""
        return PartedTable(storage.join(self.location, "sources"))

    def replace_clips(self, clips: pa.Table, metadata: Mapping[str, str]) -> None:
        """Replace the whole table of clips."""
        self._write_clips([clips], clips.schema, metadata)

    def rewrite_clips(self, change: Callable[[pa.Table], pa.Table], metadata: Mapping[str, str]) -> None:
        """Replace the table of clips by what `change` makes of its rows, a few at a time.

        `change` is asked about a table without rows too: its columns are those of the new table.
        """
        old = self.parted_clips()
        assert old.schema is not None, f"{self.location!r} has no table of clips"
        self._write_clips(map(change, old.batches()), change(old.schema.empty_table()).schema, metadata)

    def _write_clips(self, tables: Iterable[pa.Table], schema: pa.Schema, metadata: Mapping[str, str]) -> None:
        known = {column.name: column.field for column in (*CLIP_COLUMNS, *CAPTION_COLUMNS, *DECISION_COLUMNS)}
        fields = [field.with_metadata(known[field.name].metadata if field.name in known else None) for field in schema]
        write_parts(storage.join(self.location, "clips"), tables, pa.schema(fields, _metadata(metadata)))

    def previews(self, clip_ids: Iterable[str]) -> dict[str, bytes]:
        """JPEG strips of the clips asked for, where there are any."""
        wanted = pa.array(list(clip_ids), pa.string())
        found: dict[str, bytes] = {}
        for name in storage.list_files(storage.join(self.location, "previews"), ".parquet"):
            place = storage.join(self.location, "previews", name)
            for table in rows_where(place, "clip_id", wanted):
                found.update(zip(table["clip_id"].to_pylist(), table["jpeg"].to_pylist(), strict=True))
        return found

    def _parts(self) -> list[str]:
        return storage.list_files(storage.join(self.location, "parts"), ".parquet")

    def _part(self, unit_id: str) -> str:
        return storage.join(self.location, "parts", f"{unit_id}.parquet")

    def _spans(self) -> Iterator[StoredSpan]:
        """Every row of every part, without the clips."""
        for name in self._parts():
            table = self._read_part(name, ["index", "count", "source", "clips.list.element.clip_id"])
            sizes = pc.fill_null(pc.list_value_length(table["clips"]), 0).to_pylist()
            rows = table.drop_columns(["clips"]).to_pylist()
            for number, (row, num_clips) in enumerate(zip(rows, sizes, strict=True)):
                source = row["source"]
                key = (source["uri"], source["size_bytes"], source["modified_ns"], row["index"], row["count"])
                yield StoredSpan(part=name, row=number, key=key, source=source, num_clips=num_clips)

    def _read_part(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A part's rows; none where another run has compacted it in the meantime."""
        table = read_table(storage.join(self.location, "parts", name), columns)
        return _part_schema({}).empty_table() if table is None else table

    def _write_previews(self, parts: Sequence[str]) -> None:
        """Previews of several parts share a file: a report looks through all files for those of some hundred clips."""
        waiting: list[str] = []
        tables: list[pa.Table] = []
        for part in parts:
            columns = ["clips.list.element.clip_id", "clips.list.element.preview"]
            clips = pa.Table.from_struct_array(self._read_part(part, columns)["clips"].combine_chunks().flatten())
            clips = clips.select(["clip_id", "preview"]).rename_columns(["clip_id", "jpeg"])
            tables.append(clips.filter(pc.is_valid(clips["jpeg"])))
            waiting.append(part)
            if part == parts[-1] or sum(table.num_rows for table in tables) >= PREVIEW_ROWS:
                name = hashlib.blake2b("\n".join(waiting).encode(), digest_size=12).hexdigest()
                place = storage.join(self.location, "previews", f"{name}.parquet")
                if any(table.num_rows for table in tables):
                    write_table(place, pa.concat_tables(tables), group_rows=PREVIEW_GROUP_ROWS)
                waiting, tables = [], []

    def _gather_clips(self, plan: Compaction, columns: Columns, metadata: Mapping[str, str]) -> None:
        """Columns that were added later by a single filter stay, null for the new rows."""
        old = self.parted_clips()
        schema = clip_schema(columns)
        if old.schema is not None:
            schema = pa.unify_schemas([old.schema.remove_metadata(), schema], promote_options="permissive")
        self._write_clips(gathered_clips(old, plan, self._read_part, schema), schema, metadata)


def _part_schema(columns: Columns) -> pa.Schema:
    clip = pa.struct([*clip_schema(columns), pa.field("preview", pa.binary())])
    return pa.schema(
        [
            ("index", pa.int32()),
            ("count", pa.int32()),
            ("source", pa.struct(list(SOURCE_SCHEMA))),
            ("clips", pa.list_(clip)),
        ]
    )


def _rows(table: pa.Table | None) -> list[Row]:
    return [] if table is None else table.to_pylist()


def _metadata(metadata: Mapping[str, str]) -> dict[bytes, bytes]:
    everything = {"clipmill_schema_version": str(SCHEMA_VERSION), **metadata}
    return {key.encode(): value.encode() for key, value in everything.items()}
