"""Divide the work: ordered spans of sources in units of some minutes, so that no worker holds the others up."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from preprocess.clip import Source, SpanKey, Window

SPLIT_BYTES = 64 << 20
"""Only larger files are asked for their length and divided; at 2 Mbit/s this is four minutes of video."""
MAX_UNIT_BYTES = 64 << 20
MAX_UNIT_SPANS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpan:
    """A window of one source whose clips are to be found, or clips of it that are known."""

    source: Source
    index: int = 0
    count: int = 1
    """The window is part `index` of the `count` parts that the source is divided into."""
    window: Window = field(default_factory=Window)
    clips: tuple[Mapping[str, Any], ...] = ()
    """Rows of `clips/`; none where they are to be found in `window`."""

    @property
    def key(self) -> SpanKey:
        """What tells this window from all others, also those of an older file of the same name."""
        return (self.source.uri, self.source.size_bytes, self.source.modified_ns, self.index, self.count)

    @property
    def span_id(self) -> str:
        """24 hex digits made of the window, or of the clips."""
        return WorkUnit(spans=(self,)).unit_id

    def pieces(self) -> list[SourceSpan]:
        """The known clips one by one. A window has no pieces: where its clips begin is not known yet."""
        return [replace(self, clips=(clip,)) for clip in self.clips] or [self]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkUnit:
    """What one worker does at a time; its result is one file."""

    spans: tuple[SourceSpan, ...]

    @property
    def unit_id(self) -> str:
        """Made of the spans alone: the same work has the same name in every run."""
        keys = "\n".join(":".join((repr(span.key), *(row["clip_id"] for row in span.clips))) for span in self.spans)
        return hashlib.blake2b(keys.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def divide(source: Source, duration_seconds: float | None, span_seconds: float) -> list[SourceSpan]:
    """Near-equal spans of at most about `span_seconds`; up to one and a half times that stays whole."""
    if duration_seconds is None or duration_seconds <= 1.5 * span_seconds:
        return [SourceSpan(source=source, index=0, count=1, window=Window())]
    count = math.ceil(duration_seconds / span_seconds)
    edges: list[float | None] = [None, *(duration_seconds * i / count for i in range(1, count)), None]
    windows = [Window(start_seconds=start, end_seconds=end) for start, end in itertools.pairwise(edges)]
    return [SourceSpan(source=source, index=i, count=count, window=window) for i, window in enumerate(windows)]


def plan_units(
    sources: Sequence[Source],
    durations: Mapping[str, float],
    settled: Iterable[SpanKey],
    *,
    span_seconds: float,
    workers: int,
) -> list[WorkUnit]:
    """The work that is left: every span of `sources` but the settled ones, in order.

    `durations` (seconds by uri) holds the long files only. Small files share a unit, of a size that gives every worker
    several units, so that they end together.
    """
    done = set(settled)
    spans = [
        span
        for source in sources
        for span in divide(source, durations.get(source.uri), span_seconds)
        if span.key not in done
    ]
    total_bytes = sum(span.source.size_bytes // span.count for span in spans)
    unit_bytes = min(MAX_UNIT_BYTES, total_bytes // (4 * max(1, workers)) + 1)
    units: list[WorkUnit] = []
    pending: list[SourceSpan] = []
    size = 0
    for span in spans:
        span_bytes = span.source.size_bytes // span.count
        if pending and (size + span_bytes > unit_bytes or len(pending) >= MAX_UNIT_SPANS):
            units.append(WorkUnit(spans=tuple(pending)))
            pending, size = [], 0
        pending.append(span)
        size += span_bytes
    if pending:
        units.append(WorkUnit(spans=tuple(pending)))
    return units
