"""What the page says of the source files, gathered a few rows at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.report.columns import finite, numbers, shorten, texts
from pipelines.report.gallery import TEXT_CHARACTERS
from pipelines.report.tally import Rows

MOST_SOURCES = 300
"""Rows of the table of sources that gave nothing."""
_SHOWN = ("uri", "status", "reason", "container", "codec")


class SourceTally:
    """One pass over the sources."""

    def __init__(self, sources: Rows) -> None:
        self.statuses: Counter[str] = Counter()
        self.codecs: Counter[str] = Counter()
        self.seconds = 0.0
        """Of video, in sources of status `ok`."""
        self.num_rows = 0
        self._troubled: pa.Table | None = None
        for batch in sources.batches([*_SHOWN, "size_bytes", "duration_seconds"]):
            self._add(batch)

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
        self.codecs += _counts(sources, "codec")
        if "status" not in sources.column_names:
            return
        self.statuses += _counts(sources, "status")
        used = pc.fill_null(pc.equal(sources["status"].cast(pa.string()), "ok"), False)
        if "duration_seconds" in sources.column_names:
            frame = sources.select(["duration_seconds"]).filter(used).to_pandas(ignore_metadata=True)
            lengths = numbers(frame, "duration_seconds")
            self.seconds += float(lengths[np.isfinite(lengths)].sum())
        others = sources.filter(pc.invert(used))
        if others.num_rows:
            self._troubled = _worst(others if self._troubled is None else pa.concat_tables([self._troubled, others]))


def _worst(sources: pa.Table) -> pa.Table:
    copies = pc.fill_null(pc.equal(sources["status"].cast(pa.string()), "duplicate"), False)
    order = pa.table({"copy": copies.cast(pa.int8()), "uri": pc.fill_null(sources["uri"].cast(pa.string()), "")})
    return sources.take(pc.sort_indices(order, [("copy", "ascending"), ("uri", "ascending")])[:MOST_SOURCES])


def _counts(table: pa.Table, name: str) -> Counter[str]:
    """How often each text is there, the first one first."""
    if name not in table.column_names:
        return Counter()
    counts = pc.value_counts(table[name].cast(pa.string())).to_pylist()
    return Counter({row["values"]: row["counts"] for row in counts if row["values"]})
