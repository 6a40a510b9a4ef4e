"""What the tables of a manifest hold: their columns, with types, units and meanings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from preprocess.clip import CLIP_COLUMNS, Column, Row
from preprocess.cutting.result import FILE_COLUMNS

SCHEMA_VERSION = 2
"""1 had times of files as `modified_ns`, words of `dominant_colors` in one text, and no origin in rows of clips."""
FINGERPRINT = "clipmill_fingerprint"
"""Of tables and parts: the metadata that says by which recipe they were made."""

PROVENANCE = ("license", "url", "title", "author")
"""Columns of `sources/` filled from a JSON file beside the video, a list of videos, or the container's own tags."""
ORIGIN = ("license", "url", "author")
"""Those that each clip's row has too."""

ColumnType = type[float] | type[int] | type[bool] | type[str] | type[bytes] | type[list] | type[tuple]  # type: ignore[type-arg]
"""Of what a scorer measures: `list` is a vector, `tuple` holds texts, `bytes` are for other code to read."""
Columns = Mapping[str, ColumnType | Column]
"""Scorers' columns: their types, or all that there is to say of them."""

_TIME = pa.timestamp("ns", "UTC")
_VECTOR = pa.list_(pa.float16())
_TEXTS = pa.list_(pa.string())
_ARROW_TYPES: dict[type, pa.DataType] = {
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    str: pa.string(),
    bytes: pa.binary(),
    list: _VECTOR,
    tuple: _TEXTS,
}


def _column(name: str, kind: pa.DataType, unit: str, meaning: str) -> Column:
    return Column(name=name, type=kind, unit=unit, meaning=meaning)


SOURCE_COLUMNS = (
    _column(
        "source_id", pa.string(), "", "hash of the file's bytes, as in `clips/`; null where it could not be opened"
    ),
    _column("uri", pa.string(), "", "absolute path, bucket URI, or `file://` URI where the name is not UTF-8"),
    _column("size_bytes", pa.int64(), "bytes", "as listed"),
    _column("modified", _TIME, "", "when the file was last changed, UTC, as listed"),
    _column("status", pa.string(), "", "`ok`, `damaged`, `failed` or `duplicate`, see below"),
    _column("reason", pa.string(), "", "why, where there is something to say"),
    _column("container", pa.string(), "", "FFmpeg's name of the format, such as `mov` or `matroska`"),
    _column("codec", pa.string(), "", "of the video stream that is used"),
    _column("width", pa.int32(), "pixels", "as displayed, at the begin"),
    _column("height", pa.int32(), "pixels", "as displayed, at the begin"),
    _column("fps", pa.float64(), "frames/s", "the file's average, at the begin"),
    _column("duration_seconds", pa.float64(), "s", "from the first picture to the end of the last, see below"),
    _column("num_clips", pa.int64(), "", "clips that were found, kept or not"),
    _column("decode_errors", pa.int64(), "", "errors that the decoder reported"),
    _column("license", pa.string(), "", "license or copyright notice, as somebody said it"),
    _column("url", pa.string(), "", "where it is from"),
    _column("title", pa.string(), "", "what it is called"),
    _column("author", pa.string(), "", "who made it"),
)
_IN_ROWS = {"modified": ("modified_ns", pa.int64())}
"""What a row calls a column, whose numbers tell one version of a file from another: ns since the epoch."""
SOURCE_SCHEMA = pa.schema([_IN_ROWS.get(column.name, (column.name, column.type)) for column in SOURCE_COLUMNS])
"""Of rows of `sources/`, and of what parts say of a source."""

CAPTION_COLUMNS = (
    _column("caption", pa.string(), "", "the detailed one, of clips that no rule spoke against when it was made"),
    _column("caption_short", pa.string(), "", "one sentence; null from `attributes`"),
    _column(
        "caption_sound",
        pa.string(),
        "",
        "what is to be heard; null without sound, and where no model was asked that hears",
    ),
    _column("captioner", pa.string(), "", "who was asked; null where nobody was"),
    _column("caption_outcome", pa.string(), "", "see below"),
    _column(
        "prompt_id",
        pa.string(),
        "",
        "file and content hash of each prompt, such as `detailed_v1@c9076d6b short_v1@84835176`; null from "
        "`attributes`",
    ),
    _column(
        "caption_issues",
        _TEXTS,
        "",
        "list of doubts about a caption, empty where there is none; without a caption, why, where that is known",
    ),
)
ORIGIN_COLUMNS = tuple(
    _column(name, pa.string(), "", f"of the source: {column.meaning}")
    for name in ORIGIN
    for column in SOURCE_COLUMNS
    if column.name == name
)
DECISION_COLUMNS = (
    _column("status", pa.string(), "", "`kept` or `rejected`"),
    _column(
        "reasons",
        _TEXTS,
        "",
        "every rule that was broken, such as `motion:below_0.5`; the first one is the one that dropped it",
    ),
)
KNOWN_COLUMNS = {
    column.name: column
    for column in (*CLIP_COLUMNS, *FILE_COLUMNS, *CAPTION_COLUMNS, *ORIGIN_COLUMNS, *DECISION_COLUMNS)
}
"""Of `clips/`, but for what scorers measure."""
CLIP_FIELDS, CAPTION_FIELDS, DECISION_FIELDS = (
    [(column.name, column.type) for column in columns] for columns in (CLIP_COLUMNS, CAPTION_COLUMNS, DECISION_COLUMNS)
)


def clip_schema(columns: Columns) -> pa.Schema:
    """Schema of `clips/` for the scorers' columns."""
    before = [column.field for column in CLIP_COLUMNS]
    after = [column.field for column in (*CAPTION_COLUMNS, *ORIGIN_COLUMNS, *DECISION_COLUMNS)]
    return pa.schema([*before, *score_fields(columns), *after])


def part_schema(columns: Columns) -> pa.Schema:
    """Schema of a part: one row a span, its clips nested."""
    clip = pa.struct([*clip_schema(columns), pa.field("preview", pa.binary())])
    return pa.schema(
        [
            ("index", pa.int32()),
            ("count", pa.int32()),
            ("source", pa.struct(list(SOURCE_SCHEMA))),
            ("clips", pa.list_(clip)),
        ]
    )


def score_fields(columns: Columns) -> list[pa.Field]:
    """The columns as fields of a schema."""
    return [
        column.field if isinstance(column, Column) else pa.field(name, _ARROW_TYPES[column])
        for name, column in columns.items()
    ]


def described(columns: Mapping[str, ColumnType], about: Mapping[str, tuple[str, str]]) -> dict[str, Column]:
    """Columns with what is said `about` them: unit and meaning."""
    return {
        name: Column(name=name, type=_ARROW_TYPES[kind], unit=about.get(name, ("", ""))[0], meaning=about[name][1])
        if name in about
        else Column(name=name, type=_ARROW_TYPES[kind], meaning="")
        for name, kind in columns.items()
    }


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column of that type holds numbers in lists, of fixed size or not."""
    return bool((pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)) and pa.types.is_floating(kind.value_type))


def is_opaque(kind: pa.DataType) -> bool:
    """Whether a column of that type says nothing to a reader by itself, and takes much room: vectors and bytes."""
    return is_vector(kind) or any(
        of_kind(kind) for of_kind in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    )


def sized(field: pa.Field, lengths: Iterable[int]) -> pa.Field:
    """The field of a vector with its size, where all are of one length; any other field as it is."""
    if not is_vector(field.type) or len(found := set(lengths)) != 1:
        return field
    return field.with_type(pa.list_(field.type.value_type, found.pop()))


def lengths_of(vectors: pa.ChunkedArray) -> set[int]:
    """The lengths of those that are there."""
    return set(pc.unique(pc.list_value_length(vectors).drop_null()).to_pylist())


def cast_column(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A column in a type of now, also where an earlier version had words in one text that are a list now."""
    if kind == _TEXTS and pa.types.is_string(values.type):
        return pc.split_pattern(values, ", ")
    return values.cast(kind)


def stored_sources(rows: Sequence[Row]) -> pa.Table:
    """Rows of sources as `sources/` has them."""
    table = pa.Table.from_pylist(list(rows), schema=SOURCE_SCHEMA)
    columns = [table[_IN_ROWS.get(column.name, (column.name,))[0]].cast(column.type) for column in SOURCE_COLUMNS]
    return pa.Table.from_arrays(columns, schema=pa.schema([column.field for column in SOURCE_COLUMNS]))


def read_sources(table: pa.Table) -> pa.Table:
    """What `sources/` has, of this version or an earlier one, with the names and types of `SOURCE_SCHEMA`."""
    for stored, (name, kind) in _IN_ROWS.items():
        if stored in table.column_names:
            place = table.column_names.index(stored)
            table = table.set_column(place, name, table[stored].cast(kind))
    return table
