"""What the page says of the source files, gathered a few rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.report.columns import finite, lengths, numbers, shorten, text_column, texts
from pipelines.report.rows import TEXT_CHARACTERS
from pipelines.report.tally import Rows

MOST_SOURCES = 300
"""Rows of the table of sources that gave nothing."""
MOST_LICENSES = 30
LICENSE_CHARACTERS = 200
_SHOWN = ("uri", "status", "reason", "container", "codec")


class SourceTally:
    """One pass over the sources."""

    def __init__(self, sources: Rows, shown: Collection[str | None] = ()) -> None:
        """`shown` are the URIs of those that the page tells more of."""
        self.statuses: Counter[str] = Counter()
        self.codecs: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        """How many failed for which reason, without its detail."""
        self._licenses: Counter[str] = Counter()
        """Of the sources that clips may come from; "" where none is said."""
        self.seconds = 0.0
        """Of video, in sources of status `ok`."""
        self.num_rows = 0
        self._troubled: pa.Table | None = None
        self._wanted = pa.array([uri for uri in dict.fromkeys(shown) if uri is not None], pa.string())
        self._shown: list[dict[str, Any]] = []
        for batch in sources.batches([*_SHOWN, "size_bytes", "duration_seconds", "fps", "num_clips", "license"]):
            self._add(batch)

    def licenses(self) -> dict[str, Any]:
        """The most common ones with how many sources have them, "" where none is said; and how many have others."""
        common = [(name, count) for name, count in self._licenses.most_common(MOST_LICENSES) if count]
        others = self._licenses.total() - sum(count for _, count in common)
        return {"common": [list(each) for each in common], "others": others}

    def shown(self) -> list[dict[str, Any]]:
        """The sources that were asked for, each at most once."""
        return list({source["uri"]: source for source in self._shown}.values())

    def troubled(self) -> list[dict[str, Any]]:
        """The sources that gave no clips of their own, failed ones first, at most `MOST_SOURCES`."""
        if self._troubled is None:
            return []
        shown = self._troubled.to_pandas(ignore_metadata=True)
        columns = {name: texts(shown, name) for name in _SHOWN}
        sizes = numbers(shown, "size_bytes")
        return [
            {name: shorten(column[i], TEXT_CHARACTERS) for name, column in columns.items()}
            | {"bytes": finite(sizes[i])}
            for i in range(len(shown))
        ]

    def _add(self, sources: pa.Table) -> None:
        self.num_rows += sources.num_rows
        self._remember(sources.filter(pc.is_in(text_column(sources, "uri"), value_set=self._wanted)))
        self.codecs += _counts(sources, "codec")
        if "status" not in sources.column_names:
            return
        self.statuses += _counts(sources, "status")
        good = pc.is_in(text_column(sources, "status"), value_set=pa.array(["ok", "damaged"]))
        said = pc.utf8_slice_codeunits(text_column(sources.filter(good), "license"), 0, LICENSE_CHARACTERS)
        self._licenses += _counts(pa.table({"license": said}), "license")
        self._licenses[""] += said.null_count
        used = pc.fill_null(pc.equal(text_column(sources, "status"), "ok"), False)
        if "duration_seconds" in sources.column_names:
            frame = sources.select(["duration_seconds"]).filter(used).to_pandas(ignore_metadata=True)
            self.seconds += float(lengths(numbers(frame, "duration_seconds")).sum())
        if "reason" in sources.column_names:
            failed = sources.filter(pc.fill_null(pc.equal(text_column(sources, "status"), "failed"), False))
            slugs = pc.replace_substring_regex(text_column(failed, "reason"), "(?s):.*", "")
            self.failures += _counts(pa.table({"reason": slugs}), "reason")
        others = sources.filter(pc.invert(used))
        if others.num_rows:
            self._troubled = _worst(others if self._troubled is None else pa.concat_tables([self._troubled, others]))

    def _remember(self, sources: pa.Table) -> None:
        frame = sources.to_pandas(ignore_metadata=True)
        columns = {name: texts(frame, name) for name in _SHOWN}
        figures = {name: numbers(frame, name) for name in ("duration_seconds", "fps", "num_clips")}
        self._shown += [
            {name: shorten(column[i], TEXT_CHARACTERS) for name, column in columns.items()}
            | {name: finite(column[i]) for name, column in figures.items()}
            for i in range(len(frame))
        ]


def _worst(sources: pa.Table) -> pa.Table:
    copies = pc.fill_null(pc.equal(text_column(sources, "status"), "duplicate"), False)
    order = pa.table({"copy": copies.cast(pa.int8()), "uri": pc.fill_null(text_column(sources, "uri"), "")})
    return sources.take(pc.sort_indices(order, [("copy", "ascending"), ("uri", "ascending")])[:MOST_SOURCES])


def _counts(table: pa.Table, name: str) -> Counter[str]:
    """How often each text is there, the first one first."""
    counts = pc.value_counts(text_column(table, name)).to_pylist()
    return Counter({row["values"]: row["counts"] for row in counts if row["values"]})
