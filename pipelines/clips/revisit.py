"""Look once more at clips of a finished manifest: for one filter alone, or for other captions.

Groups of clips go through the same stages as in a whole run. Each group's columns are stored when they are known, so
that a run that was killed goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from cluster.engine import Engine
from filters.rules import Mask
from pipelines.clips.attempts import attempts_of_run, forget_attempts
from pipelines.clips.model_stages import model_stages
from pipelines.clips.stages import ColumnSink, MeasureStage, WriteStage
from pipelines.clips.task import Task
from preprocess.clip import Source
from preprocess.io import storage
from preprocess.io.tables import read_table, with_rows
from preprocess.manifest import Manifest, Row
from preprocess.units import SourceSpan, WorkUnit

CLIPS_IN_UNIT = 32
"""Clips decoded and stored together: enough for a model's batch, and little to do again after a kill."""

_log = logging.getLogger("clipmill")


def revisit_clips(
    manifest: Manifest,
    rows: Sequence[Row],
    task: Task,
    *,
    columns: Mapping[str, pa.DataType],
    done: str,
    engine: Engine,
) -> dict[str, Row]:
    """Do the task for the clips of `rows` and return the new values of `columns` by clip id.

    What is finished is kept in the folder `done`, which the caller deletes once the manifest has it. Clips whose source
    cannot be read any more have no entry. A clip that kills its workers has no values, and the log says so.
    """
    settled = _settled(done)
    units = _units(manifest, [row for row in rows if row["clip_id"] not in settled])
    attempts = attempts_of_run(manifest.location, engine)
    sink = ColumnSink(
        folder=done, schema=pa.schema([("clip_id", pa.string()), ("left_out", pa.string()), *columns.items()])
    )
    stages = [MeasureStage(task, attempts), *model_stages(task, attempts), WriteStage(sink)]
    for count, summary in enumerate(engine.run(stages, units) if units else (), 1):
        _log.info("%d/%d groups of clips", count, len(units))
        for uri, reason in summary.failed_sources.items():
            _log.warning("%r: %s; its clips are not measured", uri, reason)
    forget_attempts(manifest.location)
    values = _settled(done)
    for row in rows:
        reason = values.get(row["clip_id"], {}).pop("left_out", None)
        if reason is not None:
            place = (row["clip_id"], row["source_uri"], row["start_seconds"], row["end_seconds"])
            _log.warning("clip %s of %r, %.2f to %.2f s, is left out: %s", *place, reason)
    return values


def asked_clips(manifest: Manifest, choose: Callable[[pa.Table], Mask]) -> list[Row]:
    """The rows of the clips that `choose` says of a table, without vectors, which no measurement reads."""
    clips = manifest.parted_clips()
    assert clips.schema is not None
    columns = [field.name for field in clips.schema if field.type != pa.list_(pa.float16())]
    return [row for batch in clips.batches(columns) for row in batch.filter(pa.array(choose(batch))).to_pylist()]


def with_values(clips: pa.Table, values: Mapping[str, Row], columns: Mapping[str, pa.DataType]) -> pa.Table:
    """The clips with `columns` changed where there are new values; columns that are new come before `caption`."""
    for column, kind in columns.items():
        if column not in clips.column_names:
            nothing = pa.nulls(clips.num_rows, kind)
            clips = clips.add_column(clips.column_names.index("caption"), column, nothing)
    ids = clips["clip_id"].to_pylist()
    places = [place for place, clip_id in enumerate(ids) if clip_id in values]
    rows = pa.Table.from_pylist([values[ids[place]] for place in places], schema=pa.schema(list(columns.items())))
    return with_rows(clips, np.array(places, np.int64), rows)


def _settled(done: str) -> dict[str, Row]:
    """What the files in a folder hold, by clip id."""
    tables = [read_table(storage.join(done, name)) for name in storage.list_files(done, ".parquet")]
    return {row.pop("clip_id"): row for table in tables if table is not None for row in table.to_pylist()}


def _units(manifest: Manifest, rows: Sequence[Row]) -> list[WorkUnit]:
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(row["source_id"], []).append(row)
    table = manifest.sources()
    assert table is not None
    sources = {row["source_id"]: _source(row) for row in table.to_pylist() if row["status"] != "duplicate"}
    return [
        WorkUnit(spans=(SourceSpan(source=sources[source_id], clips=tuple(clips[start : start + CLIPS_IN_UNIT])),))
        for source_id, clips in by_source.items()
        for start in range(0, len(clips), CLIPS_IN_UNIT)
    ]


def _source(row: Row) -> Source:
    return Source(uri=row["uri"], size_bytes=row["size_bytes"], modified_ns=row["modified_ns"])
