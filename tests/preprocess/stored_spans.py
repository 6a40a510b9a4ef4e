"""Spans of sources that were never decoded, with clips that tell where they come from."""

from __future__ import annotations

from typing import Any

from preprocess.clip import Row, Source, Window
from preprocess.manifest import Manifest, part_table
from preprocess.units import SourceSpan, WorkUnit

COLUMNS: dict[str, Any] = {"motion": float, "text": str}


def span(uri: str, *, index: int = 0, count: int = 1, modified_ns: int = 1) -> SourceSpan:
    source = Source(uri=uri, size_bytes=100, modified_ns=modified_ns)
    return SourceSpan(source=source, index=index, count=count, window=Window())


def row(of: SourceSpan, source_id: str, clips: int, status: str = "ok", reason: str | None = None) -> Row:
    known = {"uri": of.source.uri, "size_bytes": 100, "modified_ns": of.source.modified_ns, "status": status}
    known |= {"reason": reason}
    rows = [
        {
            "clip_id": f"{source_id}-{of.index}-{number}",
            "source_id": source_id,
            "source_uri": of.source.uri,
            "start_pts": 1000 * of.index + number,
            "motion": 1.0,
            "status": "kept",
            "reasons": [],
            "preview": b"jpeg",
        }
        for number in range(clips)
    ]
    return {"key": of.key, "source": known | {"source_id": source_id}, "clips": rows}


def failed(of: SourceSpan, reason: str) -> Row:
    """A span that could not be opened."""
    return row(of, "", 0, "failed", reason) | {
        "source": row(of, "", 0, "failed", reason)["source"] | {"source_id": None}
    }


def write(manifest: Manifest, *rows: tuple[SourceSpan, Row]) -> None:
    unit = WorkUnit(spans=tuple(of for of, _ in rows))
    manifest.write_part(unit.unit_id, part_table([made for _, made in rows], COLUMNS))


def compact(manifest: Manifest, *spans: SourceSpan) -> None:
    """Compact as a run does that lists the files of `spans`."""
    manifest.compact(list(dict.fromkeys(of.source for of in spans)), COLUMNS, {})
