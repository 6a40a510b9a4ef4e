"""Look once more at clips of a finished manifest: for one filter alone, or for other captions.

Groups of clips go through the same stages as in a whole run. Each group's columns are stored when they are known, so
that a run that was killed goes on where it was.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby

import numpy as np
import pyarrow as pa

from cluster.engine import Engine
from filters.rules import Mask
from pipelines.clips.attempts import attempts_of_run, forget_attempts
from pipelines.clips.faults import Faults
from pipelines.clips.model_stages import model_stages
from pipelines.clips.spans import measure_span
from pipelines.clips.stages import ColumnSink, Measure, MeasureStage, WriteStage
from pipelines.clips.task import Task
from pipelines.heartbeat import Heartbeat
from pipelines.outcomes import Outcomes
from pipelines.progress import LINE_SECONDS
from preprocess.clip import Source
from preprocess.io import storage
from preprocess.io.hold import Hold
from preprocess.io.roots import Roots
from preprocess.io.tables import read_table, with_rows
from preprocess.manifest import Manifest, Row
from preprocess.measurement import Measurement
from preprocess.schema import cast_column, described, is_opaque, is_vector, sized
from preprocess.units import SPLIT_BYTES, SourceSpan, WorkUnit, divide

CLIPS_IN_UNIT = 32
"""Clips decoded and stored together: enough for a model's batch, and little to do again after a kill."""

_log = logging.getLogger("clipmill")


def revisit_clips(
    manifest: Manifest,
    rows: Sequence[Row],
    task: Task,
    *,
    columns: Mapping[str, pa.Field],
    done: str,
    engine: Engine,
    beating: Heartbeat,
    hold: Hold,
    outcomes: Outcomes,
    roots: Roots,
    strict: bool = False,
    unsettled: Callable[[Row], bool] = lambda values: False,
    measure: Measure = measure_span,
    unit_clips: int = CLIPS_IN_UNIT,
) -> dict[str, Row]:
    """Do the task for the clips of `rows` and return the new values of `columns` by clip id.

    What is finished is kept in the folder `done`, which the caller deletes once the manifest has it; where a run was
    stopped, the next one does the clips again whose values are `unsettled`. `measure` is done where they are decoded,
    for at most `unit_clips` together. Clips whose source cannot be read any more have no entry. A clip that kills its
    workers, or that our own code fails on, has no values, and the log says so.

    Raises:
        ValueError: too many in a row failed.
    """
    settled = {clip_id for clip_id, values in stored_values(done, unsettled).items() if not unsettled(values)}
    left = [row for row in rows if row["clip_id"] not in settled]
    together = any(measurement.together for measurement in task.measurements)
    units = _units(manifest, left, roots, task.config.span_seconds if together else None, unit_clips)
    attempts = attempts_of_run(manifest.location, engine)
    sink = ColumnSink(
        folder=done, schema=pa.schema([("clip_id", pa.string()), ("left_out", pa.string()), *columns.values()])
    )
    faults = Faults(out=manifest.location, strict=strict)
    stages = [
        MeasureStage(task, attempts, faults, measure),
        *model_stages(task, attempts, faults),
        WriteStage(sink, faults),
    ]
    beating.begin(units_all=len(units))
    said = -LINE_SECONDS
    with closing(engine.run(stages, units)) as summaries:  # no worker outlives the hold on OUT
        for count, summary in enumerate(summaries if units else (), 1):
            beating.add(summary)
            hold.check()
            if count == len(units) or time.monotonic() - said >= LINE_SECONDS:
                _log.info("%d/%d groups of clips", count, len(units))
                said = time.monotonic()
            for uri, reason in summary.failed_sources.items():
                _log.warning("%r: %s; its clips are not measured", uri, reason)
            outcomes.add(summary.outcomes)
    beating.turn_to("writing the tables")
    forget_attempts(manifest.location)
    values = stored_values(done, unsettled)
    for row in rows:
        reason = values.get(row["clip_id"], {}).pop("left_out", None)
        if reason is not None:
            outcomes.remember(row["clip_id"], reason)
            place = (row["clip_id"], row["source_uri"], row["start_seconds"], row["end_seconds"])
            _log.warning("clip %s of %r, %.2f to %.2f s, is left out: %s", *place, reason)
    return values


def asked_clips(manifest: Manifest, choose: Callable[[pa.Table], Mask], roots: Roots) -> list[Row]:
    """The rows of the clips that `choose` says of a table, without vectors and bytes, which no
    measurement reads; their sources are where `roots` has them now."""
    clips = manifest.parted_clips()
    assert clips.schema is not None
    columns = [field.name for field in clips.schema if not is_opaque(field.type)]
    rows = (row for batch in clips.batches(columns) for row in batch.filter(pa.array(choose(batch))).to_pylist())
    return [row | {"source_uri": roots.moved(row["source_uri"])} for row in rows]


def fields_of(measurement: Measurement) -> dict[str, pa.Field]:
    """Its columns, as tables have them."""
    return {name: column.field for name, column in described(measurement.columns, measurement.about).items()}


def stored_fields(
    manifest: Manifest, columns: Mapping[str, pa.Field], values: Mapping[str, Row]
) -> dict[str, pa.Field]:
    """The columns as the table of clips is to have them once it has these values too: vectors with a fixed size, where
    all are of one."""
    schema = manifest.parted_clips().schema
    assert schema is not None
    fields = dict(columns)
    for name, field in columns.items():
        before = schema.field(name).type if name in schema.names else None
        if is_vector(field.type) and (before is None or pa.types.is_fixed_size_list(before)):
            lengths = {len(row[name]) for row in values.values() if row[name] is not None}
            fields[name] = sized(field, lengths | (set() if before is None else {before.list_size}))
    return fields


def with_values(clips: pa.Table, values: Mapping[str, Row], columns: Mapping[str, pa.Field]) -> pa.Table:
    """The clips with `columns` changed where there are new values; columns that are new come before `caption`."""
    for column, field in columns.items():
        if column not in clips.column_names:
            nothing = pa.nulls(clips.num_rows, field.type)
            clips = clips.add_column(clips.column_names.index("caption"), field, nothing)
        else:
            place = clips.column_names.index(column)
            clips = clips.set_column(place, field, cast_column(clips[column], field.type))
    ids = clips["clip_id"].to_pylist()
    places = [place for place, clip_id in enumerate(ids) if clip_id in values]
    rows = pa.Table.from_pylist([values[ids[place]] for place in places], schema=pa.schema(list(columns.values())))
    return with_rows(clips, np.array(places, np.int64), rows)


def stored_values(done: str, unsettled: Callable[[Row], bool] = lambda values: False) -> dict[str, Row]:
    """What the files in a folder hold, by clip id; of several values, settled ones."""
    tables = [read_table(storage.join(done, name)) for name in storage.list_files(done, ".parquet")]
    stored: dict[str, Row] = {}
    for row in (row for table in tables if table is not None for row in table.to_pylist()):
        clip_id = row.pop("clip_id")
        if clip_id not in stored or not unsettled(row):
            stored[clip_id] = row
    return stored


def _units(
    manifest: Manifest, rows: Sequence[Row], roots: Roots, span_seconds: float | None, unit_clips: int
) -> list[WorkUnit]:
    """Groups of `unit_clips` of one source; with `span_seconds`, those that were found in one span, which agree."""
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(row["source_id"], []).append(row)
    table = manifest.sources()
    assert table is not None
    known = {
        row["source_id"]: row | {"uri": roots.moved(row["uri"])}
        for row in table.to_pylist()
        if row["status"] != "duplicate"
    }
    return [
        WorkUnit(spans=(SourceSpan(source=_source(known[source_id]), clips=tuple(group)),))
        for source_id, clips in by_source.items()
        for group in (
            _groups(clips, unit_clips) if span_seconds is None else _spans(known[source_id], clips, span_seconds)
        )
    ]


def _groups(clips: Sequence[Row], unit_clips: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(clips), unit_clips):
        yield clips[start : start + unit_clips]


def _spans(source: Row, clips: Sequence[Row], span_seconds: float) -> Iterator[Sequence[Row]]:
    """The clips by the windows into which the source was divided."""
    duration = source["duration_seconds"] if source["size_bytes"] > SPLIT_BYTES else None
    edges = [span.window.end_seconds for span in divide(_source(source), duration, span_seconds)]
    for _, group in groupby(clips, key=lambda clip: bisect_right(edges[:-1], clip["start_seconds"])):
        yield list(group)


def _source(row: Row) -> Source:
    return Source(uri=row["uri"], size_bytes=row["size_bytes"], modified_ns=row["modified_ns"])
