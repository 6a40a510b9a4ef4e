"""Look once more at clips of a finished manifest: for one filter alone, or for other captions.

Groups of clips go through the same stages as in a whole run. Each group's columns are stored when they are known, so
that a run that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import pyarrow as pa

from cluster.engine import Engine
from cluster.stage import Stage
from filters.base import Measurement, Scorer
from pipelines.clips.model_stages import model_stages
from pipelines.clips.pending import PendingClip, look, measure
from pipelines.recipe.config import CurateConfig
from preprocess.clip import Clip, Source
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.io import storage
from preprocess.io.tables import read_table, write_table
from preprocess.manifest import Manifest, Row
from preprocess.observe import revisit

CLIPS_IN_GROUP = 32
"""Clips decoded and stored together: enough for a model's batch, and little to do again after a kill."""

_log = logging.getLogger("clipmill")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipGroup:
    """Some clips of one source."""

    source: Source
    rows: tuple[Row, ...]

    @property
    def group_id(self) -> str:
        """24 hex digits that name the group by its clips."""
        ids = ":".join(row["clip_id"] for row in self.rows)
        return hashlib.blake2b(ids.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisited:
    """A group that was decoded."""

    group_id: str
    clips: list[PendingClip]


def revisit_clips(
    manifest: Manifest,
    rows: Sequence[Row],
    config: CurateConfig,
    *,
    measurements: Sequence[Measurement],
    captions: bool,
    columns: Mapping[str, pa.DataType],
    done: str,
    engine: Engine,
) -> dict[str, Row]:
    """Measure the clips of `rows` anew, caption them if asked, and return the new values of `columns` by clip id.

    What is finished is kept in the folder `done`, which the caller deletes once the manifest has it. Clips whose source
    cannot be read any more have no entry.
    """
    groups = _groups(manifest, rows)
    finished = set(storage.list_files(done, ".parquet"))
    todo = [group for group in groups if f"{group.group_id}.parquet" not in finished]
    looking = _LookStage(config, tuple(measurements), captions=captions)
    stages = model_stages(config, measurements=measurements, captions=captions, gate=None)
    schema = pa.schema([("clip_id", pa.string()), *columns.items()])
    for count, _ in enumerate(engine.run([looking, *stages, _StoreStage(done, schema)], todo), 1):
        _log.info("%d/%d groups of clips", count, len(todo))
    values: dict[str, Row] = {}
    for group in groups:
        table = read_table(storage.join(done, f"{group.group_id}.parquet"))
        values |= {row.pop("clip_id"): row for row in ([] if table is None else table.to_pylist())}
    return values


def with_values(
    table: pa.Table, rows: Sequence[Row], values: Mapping[str, Row], columns: Mapping[str, pa.DataType]
) -> pa.Table:
    """The table with `columns` changed where there are new values; columns that are new come before `caption`."""
    for column, kind in columns.items():
        fresh = [values.get(row["clip_id"], row).get(column) for row in rows]
        array: Any = pa.array(fresh, kind)
        if column in table.column_names:
            table = table.set_column(table.column_names.index(column), column, array)
        else:
            table = table.add_column(table.column_names.index("caption"), column, array)
    return table


class _LookStage(Stage):
    """Decode the clips of a group once more, score what needs no batch, and keep the frames that models will see."""

    name = "revisit"

    def __init__(self, config: CurateConfig, measurements: tuple[Measurement, ...], *, captions: bool) -> None:
        self._towers = config.towers
        self._captioner = config.captioner if captions else None
        self._measurements = measurements
        self._scorers = [scorer for scorer in measurements if isinstance(scorer, Scorer)]

    def setup(self) -> None:
        """Load the scorers."""
        cv2.setNumThreads(1)
        for scorer in self._scorers:
            scorer.setup()

    def process(self, item: ClipGroup) -> Iterator[Revisited]:
        """Look at every clip; a source that cannot be read any more leaves its clips out."""
        by_id = {row["clip_id"]: row for row in item.rows}
        clips: list[PendingClip] = []
        try:
            with Video(item.source) as video:
                if video.info.source_id != item.rows[0]["source_id"]:
                    raise MediaError("changed", "its bytes are not those of the manifest")
                for seen in revisit(video, [_clip(row) for row in item.rows]):
                    row = dict(by_id[seen.clip.clip_id]) | measure(self._scorers, seen.view)
                    if seen.view is None:
                        clips.append(PendingClip(row=row))
                    else:
                        clips.append(look(seen.view, self._measurements, self._towers, self._captioner, row))
        except MediaError as error:
            _log.warning("%r: %s; its clips are not measured", item.source.uri, error)
        yield Revisited(group_id=item.group_id, clips=clips)

    def close(self) -> None:
        """Release the scorers."""
        for scorer in self._scorers:
            scorer.close()


class _StoreStage(Stage):
    """Store the new columns of a group; the file is the mark that it is done."""

    name = "store"
    cpus = 0.0

    def __init__(self, done: str, schema: pa.Schema) -> None:
        self._done = done
        self._schema = schema

    def process(self, item: Revisited) -> Iterator[str]:
        """Write, then tell."""
        table = pa.Table.from_pylist([clip.row for clip in item.clips], schema=self._schema)
        write_table(storage.join(self._done, f"{item.group_id}.parquet"), table)
        yield item.group_id


def _groups(manifest: Manifest, rows: Sequence[Row]) -> list[ClipGroup]:
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(row["source_id"], []).append(row)
    table = manifest.sources()
    assert table is not None
    sources = {row["source_id"]: _source(row) for row in table.to_pylist() if row["status"] != "duplicate"}
    return [
        ClipGroup(source=sources[source_id], rows=tuple(its[start : start + CLIPS_IN_GROUP]))
        for source_id, its in by_source.items()
        for start in range(0, len(its), CLIPS_IN_GROUP)
    ]


def _source(row: Row) -> Source:
    return Source(uri=row["uri"], size_bytes=row["size_bytes"], modified_ns=row["modified_ns"])


def _clip(row: Row) -> Clip:
    return Clip(
        source_id=row["source_id"],
        source_uri=row["source_uri"],
        start_pts=row["start_pts"],
        end_pts=row["end_pts"],
        time_base=Fraction(row["time_base_num"], row["time_base_den"]),
        num_frames=row["num_frames"],
        fps=Fraction(row["fps"]).limit_denominator(100_000),
        width=row["width"],
        height=row["height"],
    )
