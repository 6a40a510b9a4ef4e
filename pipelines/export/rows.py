"""The kept clips of a manifest, with the licence and origin of their sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.where import Where
from preprocess.manifest import Manifest
from preprocess.schema import PROVENANCE, is_opaque


class KeptClips:
    """Rows of `clips/`, some at a time."""

    def __init__(self, out: str, where: str | None = None) -> None:
        """Of those, the clips that the condition `where` holds for.

        Raises:
            ValueError: there is no manifest at `out`, or the condition is none.
        """
        self._manifest = Manifest(out)
        self._table = self._manifest.parted_clips()
        self._where = None if where is None else Where(where)
        if self._table.schema is None:
            raise ValueError(f"{out!r} has no table of clips; curate into it first")
        self._missing = [name for name in PROVENANCE if name not in self._table.schema.names]
        # a vector is longer than all the rest of a row, and no trainer reads it
        fields = [field for field in self._table.schema if not is_opaque(field.type)]
        self.schema = pa.schema([*fields, *((name, pa.string()) for name in self._missing)])
        """Of the rows."""

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Each kept clip, in the table's order."""
        origins = self._origins() if self._missing else {}
        nothing = dict.fromkeys(self._missing)
        names = [field.name for field in self.schema if field.name not in self._missing]
        for batch in self._table.batches(names):
            kept = batch.filter(pc.equal(batch["status"], "kept"))
            if self._where is not None:
                kept = kept.filter(pa.array(self._where.holds(kept)))
            for row in kept.to_pylist():
                yield {**row, **origins.get(row["source_id"], nothing)}

    def own(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What of a row is in the table itself."""
        return {name: value for name, value in row.items() if name not in self._missing}

    def _origins(self) -> dict[str, dict[str, Any]]:
        """What the table of sources says of each."""
        sources = self._manifest.sources()
        if sources is None:
            return {}
        names = [name for name in self._missing if name in sources.column_names]
        rows = sources.select(["source_id", *names]).to_pylist()
        return {row.pop("source_id"): {**dict.fromkeys(self._missing), **row} for row in rows}
