"""Divide the work: ordered spans of sources in units of some minutes, so that no worker holds the others up."""

from __future__ import annotations

import hashlib
import itertools
import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from preprocess.clip import Source, SpanKey, Window

SPLIT_BYTES = 64 << 20
"""Only larger files are asked for their length and divided; at 2 Mbit/s this is four minutes of video."""
MAX_SPANS = 1000
"""Of one file, 83 hours in spans of five minutes: longer ones than that are lies of a header, mostly. 70 MB that are
said to last 30,000 years would make three billion."""
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
    def num_bytes(self) -> int:
        """Of its sources; of those that are divided, a share."""
        return sum(span.source.size_bytes // span.count for span in self.spans)

    @property
    def unit_id(self) -> str:
        """Made of the spans alone: the same work has the same name in every run."""
        keys = "\n".join(":".join((repr(span.key), *(row["clip_id"] for row in span.clips))) for span in self.spans)
        return hashlib.blake2b(keys.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def divide(source: Source, duration_seconds: float | None, span_seconds: float) -> list[SourceSpan]:
    """Near-equal spans of at most about `span_seconds`, or `MAX_SPANS` longer ones; up to one and a half times that
    stays whole.
    """
    if duration_seconds is None or duration_seconds <= 1.5 * span_seconds:
        return [SourceSpan(source=source, index=0, count=1, window=Window())]
    count = min(math.ceil(duration_seconds / span_seconds), MAX_SPANS)
    edges: list[float | None] = [None, *(duration_seconds * i / count for i in range(1, count)), None]
    windows = [Window(start_seconds=start, end_seconds=end) for start, end in itertools.pairwise(edges)]
    return [SourceSpan(source=source, index=i, count=count, window=window) for i, window in enumerate(windows)]


class PlannedUnits(Sequence[WorkUnit]):
    """Units in order, made as they are asked for: a million of them in memory would take gigabytes."""

    def __init__(
        self, sources: Sequence[Source], durations: Mapping[str, float], span_seconds: float, workers: int
    ) -> None:
        self._sources, self._durations, self._span_seconds = sources, durations, span_seconds
        self._workers = max(1, workers)
        self._source, self._index, self._bytes = array("q"), array("i"), array("q")
        """Of each span: the place of its source among the sources, which of its spans it is, and its bytes."""
        self._begins = array("q", [0])
        """Of each unit: the place of its first span; and at the end, their number."""
        self.num_sources = 0
        """With a span in some unit."""

    @property
    def num_bytes(self) -> int:
        """Of all units."""
        return sum(self._bytes)

    def __len__(self) -> int:
        return len(self._begins) - 1

    def __iter__(self) -> Iterator[WorkUnit]:
        return map(self._unit, range(len(self)))

    @overload
    def __getitem__(self, number: int) -> WorkUnit: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[WorkUnit]: ...
    def __getitem__(self, number: int | slice) -> WorkUnit | Sequence[WorkUnit]:
        if isinstance(number, slice):
            return [self._unit(one) for one in range(len(self))[number]]
        return self._unit(range(len(self))[number])

    def fill(self, done: Collection[SpanKey]) -> None:
        """Find the spans that are not done, then where one unit ends and the next begins."""
        for place, source in enumerate(self._sources):
            spans = divide(source, self._durations.get(source.uri), self._span_seconds)
            left = [span for span in spans if not done or span.key not in done]
            self.num_sources += bool(left)
            for span in left:
                self._source.append(place)
                self._index.append(span.index)
                self._bytes.append(source.size_bytes // span.count)
        unit_bytes = min(MAX_UNIT_BYTES, self.num_bytes // (4 * self._workers) + 1)
        size = 0
        for number, span_bytes in enumerate(self._bytes):
            waiting = number - self._begins[-1]
            if waiting and (size + span_bytes > unit_bytes or waiting >= MAX_UNIT_SPANS):
                self._begins.append(number)
                size = 0
            size += span_bytes
        if self._bytes:
            self._begins.append(len(self._bytes))

    def _unit(self, number: int) -> WorkUnit:
        return WorkUnit(spans=tuple(self._span(at) for at in range(self._begins[number], self._begins[number + 1])))

    def _span(self, at: int) -> SourceSpan:
        source = self._sources[self._source[at]]
        return divide(source, self._durations.get(source.uri), self._span_seconds)[self._index[at]]


def plan_units(
    sources: Sequence[Source],
    durations: Mapping[str, float],
    settled: Iterable[SpanKey],
    *,
    span_seconds: float,
    workers: int,
) -> PlannedUnits:
    """The work that is left: every span of `sources` but the settled ones, in order.

    `durations` (seconds by uri) holds the long files only. Small files share a unit, of a size that gives every worker
    several units, so that they end together.
    """
    units = PlannedUnits(sources, durations, span_seconds, workers)
    units.fill(set(settled))
    return units
