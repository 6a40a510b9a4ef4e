"""The first and the last step: decode a unit of work once and measure its clips, and store what came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import cv2
import pyarrow as pa

from cluster.stage import Stage
from pipelines.clips.attempts import KILLER, Attempts, retried
from pipelines.clips.decisions import decide
from pipelines.clips.pending import PendingClip
from pipelines.clips.spans import MeasuredSpan, failed_span, left_out_clip, measure_span
from pipelines.clips.task import Task
from pipelines.recipe.config import CurateConfig
from preprocess.errors import MediaError
from preprocess.io import storage
from preprocess.io.tables import write_table
from preprocess.manifest import Manifest
from preprocess.units import SourceSpan, WorkUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A unit with what its spans gave."""

    unit: WorkUnit
    spans: list[MeasuredSpan]

    @property
    def clips(self) -> Iterator[PendingClip]:
        """The clips of all spans."""
        return (clip for span in self.spans for clip in span.clips)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSummary:
    """What the driver is told of a finished unit: counts and what failed, no rows."""

    unit_id: str
    failed_sources: dict[str, str]
    """Reason by uri."""
    left_out: dict[str, str]
    """Reason by clip id, of clips that a measurement had to leave out."""
    source_seconds: float
    clips: int
    kept: int


class MeasureStage(Stage):
    """Decode each span of a unit once and measure its clips; full-size frames never leave this process."""

    name = "measure"

    def __init__(self, task: Task, attempts: Attempts) -> None:
        self._task = task
        self._attempts = attempts

    def setup(self) -> None:
        """Load what the scorers need."""
        cv2.setNumThreads(1)  # one worker runs on each core already
        for scorer in self._task.at_once:
            scorer.setup()

    def process(self, items: Sequence[WorkUnit]) -> Iterator[Measured]:
        """Measure unit by unit."""
        for unit in items:
            yield Measured(unit=unit, spans=[measured for span in unit.spans for measured in self._settled(unit, span)])

    def close(self) -> None:
        """Release the scorers."""
        for scorer in self._task.at_once:
            scorer.close()

    def _settled(self, unit: WorkUnit, span: SourceSpan) -> list[MeasuredSpan]:
        return self._attempts.run(
            span,
            name=lambda part: f"{self.name} {part.span_id}",
            pieces=SourceSpan.pieces,
            do=lambda part: self._measured(unit, part),
            give_up=self._given_up,
        )

    def _measured(self, unit: WorkUnit, span: SourceSpan) -> MeasuredSpan:
        """The span's clips, or the reason why there are none. Only our own bugs get out of here."""
        try:
            return retried(lambda: measure_span(self._task, span))
        except MediaError as error:
            return failed_span(span, error.reason, error.detail)
        except (OSError, MemoryError) as error:
            return failed_span(span, "machine_failure", f"{type(error).__name__}: {error}")
        except Exception as error:
            # a bug: name the unit and stop
            raise RuntimeError(f"unit {unit.unit_id}: {span.source.uri!r}: {type(error).__name__}: {error}") from error

    def _given_up(self, span: SourceSpan) -> MeasuredSpan:
        """A known clip alone has no values; a window has no clips."""
        reason, _, detail = KILLER.partition(": ")
        return left_out_clip(self._task, span, KILLER) if span.clips else failed_span(span, reason, detail)


class Sink(Protocol):
    """Stores a unit as one file, whose existence is the mark that it is done."""

    def write(self, measured: Measured) -> None:
        """Whole or not at all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSink:
    """Parts of a manifest, in which every clip is decided."""

    out: str
    config: CurateConfig

    def write(self, measured: Measured) -> None:
        """Decide, then write `parts/<unit>.parquet`."""
        for clip in measured.clips:
            decide(self.config, clip.row)
        rows = [
            {"key": span.key, "source": span.source, "clips": [clip.row for clip in span.clips]}
            for span in measured.spans
        ]
        Manifest(self.out).write_part(measured.unit.unit_id, rows, self.config.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSink:
    """Files of a folder with the new columns of clips."""

    folder: str
    schema: pa.Schema
    """`clip_id`, `left_out` (a reason, or null) and the columns."""

    def write(self, measured: Measured) -> None:
        """Write `<unit>.parquet`."""
        rows = [clip.row | {"left_out": clip.left_out} for clip in measured.clips]
        table = pa.Table.from_pylist(rows, schema=self.schema)
        write_table(storage.join(self.folder, f"{measured.unit.unit_id}.parquet"), table)


class WriteStage(Stage):
    """Store each unit and say what it came to."""

    name = "write"
    cpus = 0.0

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def process(self, items: Sequence[Measured]) -> Iterator[UnitSummary]:
        """Write, then tell."""
        for measured in items:
            retried(partial(self._sink.write, measured))
            yield _summary(measured)


def _summary(measured: Measured) -> UnitSummary:
    statuses = [clip.row["status"] for clip in measured.clips]
    sources = [span.source for span in measured.spans]
    return UnitSummary(
        unit_id=measured.unit.unit_id,
        failed_sources={source["uri"]: source["reason"] for source in sources if source["status"] == "failed"},
        left_out={clip.row["clip_id"]: clip.left_out for clip in measured.clips if clip.left_out is not None},
        source_seconds=sum(span.seconds for span in measured.spans),
        clips=len(statuses),
        kept=statuses.count("kept"),
    )
