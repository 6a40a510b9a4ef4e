"""The manifest on disk: parts while a run goes on, then one table of clips and one of sources.

A finished part *is* the record that its spans are done, so a run that was killed resumes by set difference. Compaction
moves parts into the tables and can itself be killed and repeated at any point:

    OUT/parts/<unit>.parquet     one row a span, its clips nested; written to a temporary name and renamed
    OUT/clips/clips.parquet      one row a clip, kept or not
    OUT/sources/sources.parquet  one row a source file, also for broken ones
    OUT/previews/<unit>.parquet  clip_id and a JPEG strip of three frames
    OUT/run.json                 recipe, fingerprint, versions
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from preprocess.clip import SpanKey
from preprocess.io import storage
from preprocess.io.tables import read_table, write_table

SCHEMA_VERSION = 1

Row = dict[str, Any]

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

CLIP_FIELDS = [
    ("clip_id", pa.string()),
    ("source_id", pa.string()),
    ("source_uri", pa.string()),
    ("start_seconds", pa.float64()),
    ("end_seconds", pa.float64()),
    ("start_pts", pa.int64()),
    ("end_pts", pa.int64()),
    ("time_base_num", pa.int64()),
    ("time_base_den", pa.int64()),
    ("num_frames", pa.int64()),
    ("fps", pa.float64()),
    ("duration_seconds", pa.float64()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("short_side", pa.int32()),
    ("codec", pa.string()),
    ("has_audio", pa.bool_()),
    ("damaged", pa.bool_()),
]
CAPTION_FIELDS = [
    ("caption", pa.string()),
    ("caption_short", pa.string()),
    ("captioner", pa.string()),
    ("caption_outcome", pa.string()),
    ("prompt_id", pa.string()),
    ("caption_issues", pa.list_(pa.string())),
]
DECISION_FIELDS = [
    ("status", pa.string()),
    ("reasons", pa.list_(pa.string())),
]
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
    return pa.schema([*CLIP_FIELDS, *score_fields(columns), *CAPTION_FIELDS, *DECISION_FIELDS])


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
        """Spans that need no more work, from the parts. Sources in the tables are all done: see `settled_sources`."""
        keys: set[SpanKey] = set()
        for name in self._parts():
            table = self._read_part(name, ["index", "count", "source.uri", "source.size_bytes", "source.modified_ns"])
            for row in table.to_pylist():
                source = row["source"]
                keys.add((source["uri"], source["size_bytes"], source["modified_ns"], row["index"], row["count"]))
        return keys

    def settled_sources(self) -> set[tuple[str, int, int]]:
        """(uri, size, modification time) of the sources in the tables."""
        table = self.sources()
        if table is None:
            return set()
        rows = table.select(["uri", "size_bytes", "modified_ns"]).to_pylist()
        return {(row["uri"], row["size_bytes"], row["modified_ns"]) for row in rows}

    def compact(self, order: Sequence[str], columns: Columns, metadata: Mapping[str, str]) -> None:
        """Move all parts into the tables. `order` lists the uris as they are now; rows come in that order.

        A source seen under several uris keeps its clips once; the other uris become rows of status `duplicate`.
        """
        parts = self._parts()
        before = self.sources()
        if not parts and before is not None and before["uri"].to_pylist() == list(order):
            return
        spans: list[Row] = []
        for name in parts:
            found = self._read_part(name).to_pylist()
            self._write_previews(name, (clip for span in found for clip in span["clips"]))
            spans += found
        fresh = {span["source"]["uri"] for span in spans}
        position = {uri: index for index, uri in enumerate(order)}
        sources = [row for row in _rows(before) if row["uri"] not in fresh] + _merge_spans(spans)
        sources.sort(key=lambda row: (position.get(row["uri"], len(position)), row["uri"]))
        owner = _mark_duplicates(sources, position)
        clips = self._merge_clips(spans, fresh, owner, columns)
        rank = {row["uri"]: index for index, row in enumerate(sources)}
        clips = clips.append_column(
            "_rank", pa.array([rank[uri] for uri in clips["source_uri"].to_pylist()], pa.int64())
        )
        clips = clips.sort_by([("_rank", "ascending"), ("start_pts", "ascending")]).drop_columns(["_rank"])
        self.replace_clips(clips, metadata)
        table = pa.Table.from_pylist(sources, schema=SOURCE_SCHEMA).replace_schema_metadata(_metadata(metadata))
        write_table(storage.join(self.location, "sources", "sources.parquet"), table)
        for name in parts:  # only now: until the sources table says so, the parts are the record
            storage.delete(storage.join(self.location, "parts", name))

    def clips(self) -> pa.Table | None:
        """The table of clips, or None before the first compaction."""
        return read_table(storage.join(self.location, "clips", "clips.parquet"))

    def sources(self) -> pa.Table | None:
        """The table of sources, or None before the first compaction."""
        return read_table(storage.join(self.location, "sources", "sources.parquet"))

    def replace_clips(self, clips: pa.Table, metadata: Mapping[str, str]) -> None:
        """Replace the whole table of clips."""
        table = clips.replace_schema_metadata(_metadata(metadata))
        write_table(storage.join(self.location, "clips", "clips.parquet"), table)

    def previews(self, clip_ids: Iterable[str]) -> dict[str, bytes]:
        """JPEG strips of the clips asked for, where there are any."""
        wanted = pa.array(list(clip_ids), pa.string())
        found: dict[str, bytes] = {}
        for name in storage.list_files(storage.join(self.location, "previews"), ".parquet"):
            table = read_table(storage.join(self.location, "previews", name))
            if table is not None:
                chosen = table.filter(pc.is_in(table["clip_id"], value_set=wanted))
                found.update(zip(chosen["clip_id"].to_pylist(), chosen["jpeg"].to_pylist(), strict=True))
        return found

    def _parts(self) -> list[str]:
        return storage.list_files(storage.join(self.location, "parts"), ".parquet")

    def _part(self, unit_id: str) -> str:
        return storage.join(self.location, "parts", f"{unit_id}.parquet")

    def _read_part(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A part's rows; none where another run has compacted it in the meantime."""
        table = read_table(storage.join(self.location, "parts", name), columns)
        return pa.table({"index": pa.array([], pa.int32())}) if table is None else table

    def _write_previews(self, name: str, clips: Iterator[Row]) -> None:
        rows = [{"clip_id": clip["clip_id"], "jpeg": clip["preview"]} for clip in clips if clip["preview"] is not None]
        if rows:
            schema = pa.schema([("clip_id", pa.string()), ("jpeg", pa.binary())])
            table = pa.Table.from_pylist(rows, schema=schema)
            write_table(storage.join(self.location, "previews", name), table)

    def _merge_clips(
        self, spans: Sequence[Row], fresh: set[str], owner: Mapping[str, str], columns: Columns
    ) -> pa.Table:
        rows = [clip for span in spans for clip in span["clips"]]
        new = pa.Table.from_pylist(rows, schema=clip_schema(columns))
        old = self.clips()
        if old is not None:  # columns that were added later by a single filter stay, null for the new rows
            old = old.replace_schema_metadata(None)
            old = old.filter(pc.invert(pc.is_in(old["source_uri"], value_set=pa.array(list(fresh), pa.string()))))
            new = pa.concat_tables([old, new], promote_options="permissive")
        mine = [owner.get(sid) == uri for sid, uri in zip(*_pair(new, "source_id", "source_uri"), strict=True)]
        return new.filter(pa.array(mine, pa.bool_()))


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


def _merge_spans(spans: Sequence[Row]) -> list[Row]:
    """One row a source from the rows of its spans."""
    by_uri: dict[str, list[Row]] = {}
    for span in sorted(spans, key=lambda span: (span["source"]["uri"], span["index"])):
        by_uri.setdefault(span["source"]["uri"], []).append(span)
    merged = []
    for parts in by_uri.values():
        row = dict(parts[0]["source"])
        row["num_clips"] = sum(len(part["clips"]) for part in parts)
        row["decode_errors"] = sum(part["source"]["decode_errors"] or 0 for part in parts)
        worst = [part["source"] for part in parts if part["source"]["status"] != "ok"]
        if worst:
            row["status"], row["reason"] = worst[0]["status"], worst[0]["reason"]
        merged.append(row)
    return merged


def _mark_duplicates(sources: Sequence[Row], position: Mapping[str, int]) -> dict[str, str]:
    """Which uri owns each source_id; the others are marked in place.

    The first listed uri owns, but never one whose clips an earlier compaction has dropped.
    """
    owner: dict[str, str] = {}
    for row in sorted(sources, key=lambda row: (row["status"] == "duplicate", row["uri"] not in position)):
        if row["source_id"] is None:
            continue
        first = owner.setdefault(row["source_id"], row["uri"])
        if first != row["uri"]:
            row.update(status="duplicate", reason=f"duplicate_of:{first}", num_clips=0)
    return owner


def _pair(table: pa.Table, first: str, second: str) -> tuple[list[Any], list[Any]]:
    return table[first].to_pylist(), table[second].to_pylist()


def _rows(table: pa.Table | None) -> list[Row]:
    return [] if table is None else table.to_pylist()


def _metadata(metadata: Mapping[str, str]) -> dict[bytes, bytes]:
    everything = {"clipmill_schema_version": str(SCHEMA_VERSION), **metadata}
    return {key.encode(): value.encode() for key, value in everything.items()}
