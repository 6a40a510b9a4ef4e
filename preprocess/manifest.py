"""The manifest on disk: parts while a run goes on, then one table of clips and one of sources.

A finished part *is* the record that its spans are done, so a run that was killed resumes by set difference. Compaction
moves parts into the tables and can itself be killed and repeated at any point:

    OUT/parts/<unit>.parquet     one row a span, its clips nested; written to a temporary name and renamed
    OUT/clips/part-*.parquet     one row a clip, kept or not; 100,000 rows a part, replaced all at once
    OUT/sources/sources.parquet  one row a source file, also for broken ones
    OUT/previews/*.parquet       clip_id and a JPEG strip of three frames
    OUT/history/*.parquet        what a `decide` replaced, to be taken back
    OUT/run.json                 recipe, fingerprint, versions, history
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from preprocess.clip import Row as Row
from preprocess.clip import Source, SpanKey
from preprocess.compaction import (
    Compaction,
    SourceKey,
    StoredSpan,
    is_settled,
    known_files,
    plan_compaction,
    settled_sources,
)
from preprocess.forgotten import Forgotten
from preprocess.gather import gathered_clips, gathered_schema
from preprocess.io import storage
from preprocess.io.plain_json import read_object
from preprocess.io.tables import PartedTable, read_table, rows_where, write_parts, write_table
from preprocess.schema import (
    FINGERPRINT,
    KNOWN_COLUMNS,
    SCHEMA_VERSION,
    Columns,
    part_schema,
    read_sources,
    stored_sources,
)
from preprocess.sweep import sweep

RUN_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("recipe", "settings", "config", "versions"), dict),
    **dict.fromkeys(("fingerprint", "source", "started", "finished"), str),
    **dict.fromkeys(("source_seconds", "wall_seconds"), (int, float)),
    **dict.fromkeys(("added", "history", "forgotten"), list),
    "begun": dict,
}
"""What run.json holds, where it holds it."""

PREVIEW_ROWS = 2000
"""Previews of a file, about: 16 MB."""
PREVIEW_GROUP_ROWS = 100
"""Previews that are read for the sake of one: a megabyte."""

Seen = Callable[[Iterator[tuple[pa.Table, pa.Table]]], Iterator[pa.Table]]

_CHANGE = "clipmill_change"
"""Of the table of clips: which change it came from last."""
_FOLDER_NAME = re.compile(r"[\w-][\w.-]*")


class Manifest:
    """The tables at one location. Every write is atomic; nothing here knows what a score means."""

    def __init__(self, location: str) -> None:
        self.location = storage.absolute(location)

    def run(self) -> Row | None:
        """The content of run.json, or None before the first run.

        Raises:
            ValueError: it is no object of JSON, or what is in it is not of the kinds that we write.
        """
        return _read_run(storage.join(self.location, "run.json"))

    def write_run(self, run: Mapping[str, object]) -> None:
        """Replace run.json."""
        storage.write_atomic(storage.join(self.location, "run.json"), _json(run))

    def write_part(self, unit_id: str, table: pa.Table) -> None:
        """Store the result of a unit, as `part_table` makes it."""
        write_table(self._part(unit_id), table)

    def part_sources(self) -> list[Row]:
        """What the parts say of sources, span by span."""
        return [span.source for span in self._spans()]

    def rewrite_parts(self, changed: Callable[[Row], Row]) -> None:
        """Change the parts' rows, each of a span with its `index`, `count`, `source` and `clips`."""
        for name in self._parts():
            table = self._read_part(name)
            before = table.to_pylist()
            after = [changed(row) for row in before]
            if after != before:
                write_table(
                    storage.join(self.location, "parts", name), pa.Table.from_pylist(after, schema=table.schema)
                )

    def settled_spans(self, again: Collection[str] = (), *, made_by: str | None = None) -> set[SpanKey]:
        """Spans that need no more work, from the parts. Sources that are done as a whole: see `settled_sources`.

        Parts that another recipe than that of the fingerprint `made_by` has made do not count.
        """
        return {span.key for span in self._spans(made_by) if is_settled(span.source, again)}

    def settled_sources(self, again: Collection[str] = (), *, made_by: str | None = None) -> set[SourceKey]:
        """(uri, size, modification time) of the sources that are in the tables, or of which parts have every span, and
        that did not fail for want of the machine or the storage, nor for one of the reasons `again`."""
        columns = ["uri", "size_bytes", "modified", "modified_ns", "status", "source_id", "reason"]
        batches = map(read_sources, self.parted_sources().batches(columns))
        rows = (row for batch in batches for row in batch.to_pylist())
        return settled_sources(list(rows), self._spans(made_by), again)

    def compact(
        self,
        listing: Sequence[Source],
        columns: Columns,
        metadata: Mapping[str, str],
        again: Collection[str] = (),
    ) -> Compaction:
        """Move the parts of finished sources into the tables. Rows come in the order of the files as `listing` has them
        now; then what dead runs left behind is swept, so hold the folder (`io.hold.exclusive`).

        A source seen under several uris keeps its clips once; the other uris become rows of status `duplicate`. What
        the tables have for one of the reasons `again` gives way to what the parts have. Parts that another recipe than
        that of `metadata` has made are removed, and of what is forgotten (`preprocess.forgotten`) nothing is taken.
        """
        self.forget_in_parts()
        table = self.sources()
        before = _rows(table)
        plan = plan_compaction(before, list(self._spans(metadata.get(FINGERPRINT))), listing, again)
        if table is None or plan.fresh or plan.sources != before:
            self._write_previews(sorted({span.part for spans in plan.fresh.values() for span in spans}))
            self._gather_clips(plan, columns, metadata)
            self.replace_sources(plan.sources, metadata)
        for name in self._parts():  # only now: until the table of sources says so, the parts are the record
            if name not in plan.unfinished:
                storage.delete(storage.join(self.location, "parts", name))
        sweep(self.location)
        return plan

    def forget_in_parts(self) -> None:
        """Take what run.json says is forgotten out of the parts. Kill it and repeat it: each is replaced at once."""
        forgotten = Forgotten.of(self.run())
        for name in self._parts() if forgotten.ids or forgotten.marks else ():
            if (part := forgotten.part_without(self._read_part(name))) is not None:
                write_table(storage.join(self.location, "parts", name), part)

    def sources_in_parts(self) -> list[Row]:
        """What the parts say of the sources of their spans."""
        return [span.source for span in self._spans()]

    def compact_known(self, columns: Columns, metadata: Mapping[str, str]) -> None:
        """Move what the parts have of whole sources into the tables, where nobody has listed the files: the newest
        version of each is taken for the one that is there."""
        spans = list(self._spans(metadata.get(FINGERPRINT)))
        if spans:
            self.compact(known_files(_rows(self.sources()), spans), columns, metadata)

    def clips(self, columns: list[str] | None = None) -> pa.Table | None:
        """The table of clips, all rows at once, or None before the first compaction; of `columns`, those it has."""
        table = self.parted_clips()
        return None if table.schema is None else table.read_all(columns)

    def parted_clips(self) -> PartedTable:
        """The table of clips, to be read a few rows at a time."""
        return PartedTable(storage.join(self.location, "clips"))

    def sources(self) -> pa.Table | None:
        """The table of sources in `SOURCE_SCHEMA`, all rows at once, or None before the first compaction."""
        table = read_table(storage.join(self.location, "sources", "sources.parquet"))
        return None if table is None else read_sources(table)

    def parted_sources(self) -> PartedTable:
        """The table of sources as it is stored, to be read some rows at a time."""
        return PartedTable(storage.join(self.location, "sources"))

    def replace_sources(self, rows: Sequence[Row], metadata: Mapping[str, str]) -> None:
        """Replace the whole table of sources."""
        table = stored_sources(rows).replace_schema_metadata(_metadata(metadata))
        write_table(storage.join(self.location, "sources", "sources.parquet"), table)

    def replace_clips(self, clips: pa.Table, metadata: Mapping[str, str]) -> None:
        """Replace the whole table of clips."""
        self._write_clips([clips], clips.schema, metadata)

    def rewrite_clips(
        self,
        change: Callable[[pa.Table], pa.Table],
        run: Mapping[str, Any],
        *,
        spent: Sequence[str] = (),
        name: str | None = None,
        seen: Seen | None = None,
        exactly: pa.Schema | None = None,
    ) -> None:
        """Replace the table of clips by what `change` makes of its rows, a few at a time, and run.json by `run`.

        `change` is asked about a table without rows too: its columns are those of the new table. The change counts from
        the moment when the table is replaced: of one that was killed then, `mend` lets the rest follow.

        Args:
            change: gives the new rows.
            run: the new run.json.
            spent: folders of `columns/` whose content the table has then.
            name: of the change, which `last_change` tells; None for a new one.
            seen: is passed the old rows with the new ones, and passes the new ones on; it ends before the table is
                replaced.
            exactly: the schema of an earlier table that is to come back, whose change and generation it names.
        """
        old = self.parted_clips()
        assert old.schema is not None, f"{self.location!r} has no table of clips"
        new = uuid.uuid4().hex if name is None else name
        this = new if exactly is None else _said(exactly, _CHANGE)
        storage.write_atomic(self._next_run, _json({"change": this, "run": run, "spent": list(spent)}))
        pairs = ((rows, change(rows)) for rows in old.batches())
        rows = (changed for _, changed in pairs) if seen is None else seen(pairs)
        if exactly is not None:
            write_parts(storage.join(self.location, "clips"), rows, exactly)
        else:
            schema = _with_meanings(change(old.schema.empty_table()).schema, old.schema)
            self._write_clips(rows, schema, {FINGERPRINT: run["fingerprint"], _CHANGE: new})
        self.mend()

    def last_change(self) -> str | None:
        """The name of the change that the table of clips came from; None where it came from `compact`."""
        schema = self.parted_clips().schema
        return None if schema is None else _said(schema, _CHANGE)

    def run_to_be(self) -> Row | None:
        """The run.json of a change that replaced the table of clips and was killed before run.json followed.

        Raises:
            ValueError: it is none.
        """
        intended, schema = _read_run(self._next_run), self.parted_clips().schema
        if intended is None or schema is None or not isinstance(intended.get("run"), dict):
            return None
        run: Row = intended["run"]
        return run if _said(schema, _CHANGE) == intended.get("change") else None

    def mend(self) -> None:
        """Let the rest follow a table of clips that was replaced, and sweep what dead runs left; hold the manifest.

        Raises:
            ValueError: the next run.json is none.
        """
        intended = _read_run(self._next_run)
        if intended is not None:
            if (run := self.run_to_be()) is not None:
                self.write_run(run)
                for name in filter(_FOLDER_NAME.fullmatch, intended["spent"]):  # who wrote it may be a stranger
                    storage.delete_folder(storage.join(self.location, "columns", name))
            storage.delete(self._next_run)
        sweep(self.location)

    def _write_clips(self, tables: Iterable[pa.Table], schema: pa.Schema, metadata: Mapping[str, str]) -> None:
        """What columns mean is kept, and said of those that every table has."""
        known = {name: column.field.metadata for name, column in KNOWN_COLUMNS.items()}
        fields = [field.with_metadata(known.get(field.name, field.metadata)) for field in schema]
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

    @property
    def _next_run(self) -> str:
        """What run.json is to become when the table of clips is replaced."""
        return storage.join(self.location, "run.next.json")

    def _parts(self) -> list[str]:
        return storage.list_files(storage.join(self.location, "parts"), ".parquet")

    def _part(self, unit_id: str) -> str:
        return storage.join(self.location, "parts", f"{unit_id}.parquet")

    def _spans(self, made_by: str | None = None) -> Iterator[StoredSpan]:
        """Every row of every part, without the clips. With `made_by`, those of another recipe are left out, which have
        other columns or decisions; parts from before they said so are taken for this one's."""
        for name in self._parts():
            table = self._read_part(name, ["index", "count", "source", "clips.list.element.clip_id"])
            if made_by is not None and fingerprint_of(table.schema) not in (None, made_by):
                continue
            sizes = pc.fill_null(pc.list_value_length(table["clips"]), 0).to_pylist()
            rows = table.drop_columns(["clips"]).to_pylist()
            for number, (row, num_clips) in enumerate(zip(rows, sizes, strict=True)):
                source = row["source"]
                key = (source["uri"], source["size_bytes"], source["modified_ns"], row["index"], row["count"])
                yield StoredSpan(part=name, row=number, key=key, source=source, num_clips=num_clips)

    def _read_part(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A part's rows; none where another run has compacted it in the meantime."""
        table = read_table(storage.join(self.location, "parts", name), columns)
        return part_schema({}).empty_table() if table is None else table

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
        schema = gathered_schema(old, plan, self._read_part, columns)
        self._write_clips(gathered_clips(old, plan, self._read_part, schema), schema, metadata)


def part_table(spans: Sequence[Row], columns: Columns, metadata: Mapping[str, str] | None = None) -> pa.Table:
    """The spans of a unit: each has `key` (SpanKey), `source` (a row of sources/) and `clips`; clips carry a `preview`
    (JPEG bytes or None) beside their columns. `metadata` says, as for the tables, by which recipe they were made."""
    rows = [
        {"index": span["key"][3], "count": span["key"][4], "source": span["source"], "clips": span["clips"]}
        for span in spans
    ]
    return pa.Table.from_pylist(rows, schema=part_schema(columns).with_metadata(_metadata(metadata or {})))


def _json(run: Mapping[str, object]) -> bytes:
    return json.dumps(run, indent=2, sort_keys=True, ensure_ascii=False).encode()


def fingerprint_of(schema: pa.Schema) -> str | None:
    """Of the recipe by which a table or a part was made, where it says so."""
    return _said(schema, FINGERPRINT)


def _said(schema: pa.Schema, key: str) -> str | None:
    value = (schema.metadata or {}).get(key.encode())
    return None if value is None else value.decode()


def _with_meanings(schema: pa.Schema, old: pa.Schema) -> pa.Schema:
    """What the old schema says of its columns, where the new one says nothing."""
    said = {field.name: field.metadata for field in old}
    return pa.schema([field.with_metadata(field.metadata or said.get(field.name)) for field in schema])


def _rows(table: pa.Table | None) -> list[Row]:
    return [] if table is None else table.to_pylist()


def _read_run(place: str) -> Row | None:
    data = storage.read_bytes(place)
    if data is None:
        return None
    run = read_object(data, f"{place!r}")
    for key, kind in RUN_KINDS.items():
        if key in run and not isinstance(run[key], kind):
            raise ValueError(f"{place!r}: {key} is a {type(run[key]).__name__}, which we do not write")
    return run


def _metadata(metadata: Mapping[str, str]) -> dict[bytes, bytes]:
    everything = {"clipmill_schema_version": str(SCHEMA_VERSION), **metadata}
    return {key.encode(): value.encode() for key, value in everything.items()}
