"""The first and the last step of curation: measure a unit of work (one decode), and write it down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2

from cluster.stage import Stage
from filters.base import Scorer
from pipelines.clips.decisions import decide
from pipelines.clips.pending import PendingClip
from pipelines.clips.spans import MeasuredSpan, failed_span, measure_span
from pipelines.recipe.config import CurateConfig
from preprocess.errors import MediaError
from preprocess.io import storage
from preprocess.manifest import Manifest
from preprocess.units import SourceSpan, WorkUnit

ATTEMPTS = 3
"""A span that failed this often for reasons of the machine is settled with a reason."""


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
    """What the driver is told of a finished unit: counts, no rows."""

    unit_id: str
    failed_sources: dict[str, str]
    """Reason by uri."""
    source_seconds: float
    clips: int
    kept: int


class MeasureStage(Stage):
    """Decode each span of a unit once and measure its clips; full-size frames never leave this process."""

    name = "measure"

    def __init__(self, config: CurateConfig, attempts_location: str | None) -> None:
        self._config = config
        self._attempts = _Attempts(attempts_location)

    def setup(self) -> None:
        """Load what the scorers need."""
        cv2.setNumThreads(1)  # one worker runs on each core already
        for scorer in self._scorers():
            scorer.setup()

    def process(self, item: WorkUnit) -> Iterator[Measured]:
        """Measure one unit."""
        yield Measured(unit=item, spans=[self._settle(item, span) for span in item.spans])

    def close(self) -> None:
        """Release the scorers."""
        for scorer in self._scorers():
            scorer.close()

    def _scorers(self) -> list[Scorer]:
        return [scorer for scorer in self._config.scorers if isinstance(scorer, Scorer)]

    def _settle(self, unit: WorkUnit, span: SourceSpan) -> MeasuredSpan:
        """The span's clips, or a row with the reason why there are none. Only our own bugs get out of here."""
        name = f"{unit.unit_id}-{span.index}-{unit.spans.index(span)}"
        if self._attempts.begin(name) > ATTEMPTS:
            return failed_span(span, "machine_failure", f"killed its worker {ATTEMPTS} times")
        try:
            return self._with_retries(span)
        except MediaError as error:
            return failed_span(span, error.reason, error.detail)
        except Exception as error:
            # a bug: name the unit and stop
            raise RuntimeError(f"unit {unit.unit_id}: {span.source.uri!r}: {type(error).__name__}: {error}") from error
        finally:
            self._attempts.end(name)

    def _with_retries(self, span: SourceSpan) -> MeasuredSpan:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return measure_span(self._config, span)
            except (OSError, MemoryError) as error:
                if attempt == ATTEMPTS:
                    raise MediaError("machine_failure", f"{type(error).__name__}: {error}") from error
                time.sleep(0.5 * 2**attempt)
        raise AssertionError("unreachable")


class WriteStage(Stage):
    """Decide every clip and store the unit as one part file, whose existence is the mark that it is done."""

    name = "write"
    cpus = 0.0

    def __init__(self, config: CurateConfig, out: str) -> None:
        self._config = config
        self._manifest = Manifest(out)

    def process(self, item: Measured) -> Iterator[UnitSummary]:
        """Write, then tell."""
        for clip in item.clips:
            decide(self._config, clip.row)
        rows = [
            {"key": span.key, "source": span.source, "clips": [clip.row for clip in span.clips]} for span in item.spans
        ]
        self._manifest.write_part(item.unit.unit_id, rows, self._config.columns)
        yield _summary(item)


def _summary(measured: Measured) -> UnitSummary:
    statuses = [clip.row["status"] for clip in measured.clips]
    sources = [span.source for span in measured.spans]
    return UnitSummary(
        unit_id=measured.unit.unit_id,
        failed_sources={source["uri"]: source["reason"] for source in sources if source["status"] == "failed"},
        source_seconds=sum(span.seconds for span in measured.spans),
        clips=len(statuses),
        kept=statuses.count("kept"),
    )


class _Attempts:
    """Counts how often a span was begun and not ended, which is what a killed worker leaves behind.

    Marks live in a folder of the run's own, so that stopping a whole run never counts against a span.
    """

    def __init__(self, location: str | None) -> None:
        self._location = location

    def begin(self, name: str) -> int:
        """Mark a beginning; returns which one it is, counted from 1."""
        if self._location is None:
            return 1
        place = storage.join(self._location, name)
        count = int(storage.read_bytes(place) or b"0") + 1
        storage.write_atomic(place, str(count).encode())
        return count

    def end(self, name: str) -> None:
        """Forget the span's marks."""
        if self._location is not None:
            storage.delete(storage.join(self._location, name))
