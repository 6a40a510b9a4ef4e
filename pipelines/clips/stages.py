"""The first and the last step: decode a unit of work once and measure its clips, and store what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import cv2
import pyarrow as pa

from cluster.stage import Count, Stage
from pipelines.clips.attempts import Attempts, Verdict, retried
from pipelines.clips.decisions import decide
from pipelines.clips.faults import NOT_ABOUT_A_CLIP, Faults
from pipelines.clips.pending import PendingClip
from pipelines.clips.spans import MeasuredSpan, failed_span, left_out_clip, measure_span, spoilt, until
from pipelines.clips.task import Task
from pipelines.recipe.config import CurateConfig
from preprocess.errors import MediaError, slug
from preprocess.io import storage
from preprocess.io.settings import fingerprint
from preprocess.io.tables import write_table
from preprocess.manifest import Manifest, part_table
from preprocess.schema import FINGERPRINT
from preprocess.units import SourceSpan, WorkUnit

Measure = Callable[[Task, SourceSpan], MeasuredSpan]
"""What is done where a span is decoded; it raises as `measure_span` does, and pickles."""


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
    source_bytes: int
    clips: int
    kept: int
    outcomes: tuple[tuple[str, str | None], ...] = ()
    """In order: each source's uri, or id of a clip that was known, with the reason where it failed; and clips that were
    left out."""


class MeasureStage(Stage):
    """Decode each span of a unit once and measure its clips; full-size frames never leave this process.

    Whatever goes wrong with a source becomes the reason of its row.
    """

    name = "measure"

    def __init__(self, task: Task, attempts: Attempts, faults: Faults, measure: Measure = measure_span) -> None:
        self._task = task
        self._attempts = attempts
        self._faults = faults
        self._measure = measure

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
            give_up=lambda part, verdict: self._given_up(unit, part, verdict),
            bounds=self._task.config.bounds,
        )

    def _measured(self, unit: WorkUnit, span: SourceSpan) -> MeasuredSpan:
        """The span's clips, or the reason why there are none."""
        if span.source.unreadable is not None:
            return failed_span(span, "not_readable", span.source.unreadable)
        try:
            return retried(lambda: self._measure(self._task, span))
        except MediaError as error:
            return failed_span(span, error.reason, error.detail)
        except (OSError, MemoryError) as error:
            return failed_span(span, "machine_failure", f"{type(error).__name__}: {error}")
        except NOT_ABOUT_A_CLIP:
            raise
        except Exception as error:
            return self._broken(unit, span, error)

    def _given_up(self, unit: WorkUnit, span: SourceSpan, verdict: Verdict) -> MeasuredSpan:
        """What was found before the place where the file was too much, once; else nothing."""
        if verdict.seconds is not None and not span.clips:
            before = until(span, verdict.seconds)
            if before is not None:
                return spoilt(self._measured(unit, before), verdict.reason)
        name = span.clips[0]["clip_id"] if span.clips else span.source.uri
        about = f"unit {unit.unit_id}: {span.source.uri!r}"
        return self._without(span, self._faults.settle_crash(verdict, name, about))

    def _broken(self, unit: WorkUnit, span: SourceSpan, error: Exception) -> MeasuredSpan:
        """What is left of a span that our own code failed on: of known clips, all that it does not fail on alone."""
        if len(span.clips) > 1:
            pieces = [self._measured(unit, piece) for piece in span.pieces()]
            return replace(pieces[0], clips=[clip for piece in pieces for clip in piece.clips])
        name = span.clips[0]["clip_id"] if span.clips else span.source.uri
        return self._without(span, self._faults.settle(error, name, f"unit {unit.unit_id}: {span.source.uri!r}"))

    def _without(self, span: SourceSpan, reason: str) -> MeasuredSpan:
        """A known clip alone has no values; a window has no clips."""
        if span.clips:
            return left_out_clip(self._task, span, reason)
        what, _, detail = reason.partition(": ")
        return failed_span(span, what, detail)


class Sink(Protocol):
    """Stores a unit as one file, whose existence is the mark that it is done."""

    def table(self, measured: Measured) -> pa.Table:
        """What the file will hold."""
        ...

    def write(self, measured: Measured) -> None:
        """Whole or not at all."""
        ...

    def without(self, span: MeasuredSpan, reason: str) -> MeasuredSpan:
        """What is to be stored of a span whose rows cannot be."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSink:
    """Parts of a manifest, in which every clip is decided."""

    out: str
    config: CurateConfig

    def table(self, measured: Measured) -> pa.Table:
        """Decide, then one row a span."""
        for clip in measured.clips:
            decide(self.config, clip.row)
        rows = [
            {"key": span.key, "source": span.source, "clips": [clip.row for clip in span.clips]}
            for span in measured.spans
        ]
        return part_table(rows, self.config.columns, {FINGERPRINT: fingerprint(self.config)})

    def write(self, measured: Measured) -> None:
        """Write `parts/<unit>.parquet`."""
        Manifest(self.out).write_part(measured.unit.unit_id, self.table(measured))

    def without(self, span: MeasuredSpan, reason: str) -> MeasuredSpan:
        """A row that says so."""
        known = {name: span.source[name] for name in ("uri", "size_bytes", "modified_ns")}
        row = known | {"status": "failed", "reason": reason, "num_clips": 0}
        return replace(span, source=row, clips=[])


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSink:
    """Files of a folder with the new columns of clips."""

    folder: str
    schema: pa.Schema
    """`clip_id`, `left_out` (a reason, or null) and the columns."""

    def table(self, measured: Measured) -> pa.Table:
        """One row a clip."""
        rows = [clip.row | {"left_out": clip.left_out} for clip in measured.clips]
        return pa.Table.from_pylist(rows, schema=self.schema)

    def write(self, measured: Measured) -> None:
        """Write `<unit>.parquet`."""
        write_table(storage.join(self.folder, f"{measured.unit.unit_id}.parquet"), self.table(measured))

    def without(self, span: MeasuredSpan, reason: str) -> MeasuredSpan:
        """Clips without values."""
        for clip in span.clips:
            clip.row |= dict.fromkeys(self.schema.names[2:])
            clip.left_out = reason
        return span


class WriteStage(Stage):
    """Store each unit and say what it came to."""

    name = "write"
    cpus = 0.0

    def __init__(self, sink: Sink, faults: Faults) -> None:
        self._sink = sink
        self._faults = faults

    def process(self, items: Sequence[Measured]) -> Iterator[UnitSummary]:
        """Write, then tell."""
        for measured in items:
            try:
                retried(partial(self._sink.write, measured))
            except (OSError, MemoryError):
                raise
            except Exception:  # some value that no column takes
                measured = replace(measured, spans=[self._storable(measured.unit, span) for span in measured.spans])
                retried(partial(self._sink.write, measured))
            yield _summary(measured)

    def counts(self, results: Sequence[UnitSummary]) -> Iterator[Count]:
        """Units, video and clips that are done, and what failed."""
        kept, clips = sum(summary.kept for summary in results), sum(summary.clips for summary in results)
        seconds = sum(summary.source_seconds for summary in results)
        yield Count(name="units", meaning="Units of work that are done", value=len(results))
        yield Count(name="video_seconds", meaning="Seconds of video that are done", value=seconds)
        for status, number in (("kept", kept), ("rejected", clips - kept)):
            yield Count(name="clips", meaning="Clips that were found", value=number, labels={"status": status})
        failures = Counter(slug(reason) for summary in results for reason in summary.failed_sources.values())
        for reason, number in failures.items():
            yield Count(name="failed_sources", meaning="Sources that failed", value=number, labels={"reason": reason})

    def _storable(self, unit: WorkUnit, span: MeasuredSpan) -> MeasuredSpan:
        """The span, or what can be stored of it: clips that were known one by one."""
        try:
            self._sink.table(Measured(unit=unit, spans=[span]))
        except Exception as error:
            uri = span.source["uri"]
            if span.known and len(span.clips) > 1:
                pieces = [self._storable(unit, replace(span, clips=[clip])) for clip in span.clips]
                return replace(span, clips=[clip for piece in pieces for clip in piece.clips])
            name = span.clips[0].row["clip_id"] if span.known and span.clips else uri
            return self._sink.without(span, self._faults.settle(error, name, f"unit {unit.unit_id}: {uri!r}"))
        return span


def _summary(measured: Measured) -> UnitSummary:
    statuses = [clip.row["status"] for clip in measured.clips]
    sources = [span.source for span in measured.spans]
    failed = {source["uri"]: source["reason"] for source in sources if source["status"] == "failed"}
    left_out = {clip.row["clip_id"]: clip.left_out for clip in measured.clips if clip.left_out is not None}
    outcomes = [outcome for span in measured.spans for outcome in _outcomes(span)]
    return UnitSummary(
        unit_id=measured.unit.unit_id,
        failed_sources=failed,
        left_out=left_out,
        source_seconds=sum(span.seconds for span in measured.spans),
        source_bytes=measured.unit.num_bytes,
        clips=len(statuses),
        kept=statuses.count("kept"),
        outcomes=tuple(outcomes),
    )


def _outcomes(span: MeasuredSpan) -> Iterator[tuple[str, str | None]]:
    of_clips = [(clip.row["clip_id"], clip.left_out) for clip in span.clips if span.known or clip.left_out is not None]
    if not (span.known and of_clips):
        source = span.source
        yield source["uri"], source["reason"] if source["status"] == "failed" else None
    yield from of_clips
