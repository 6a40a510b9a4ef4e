"""Sources that were taken down: run.json names them by content and time, so that no later run brings them back.

What a file was called is kept as a hash alone, by which the file is passed over where it is listed again, unread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa

from preprocess.clip import Row
from preprocess.listing import Listing, Sources

FORGOTTEN = "forgotten"
"""The reason of a copy that is found under another name; and the key in run.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What run.json says of them."""

    ids: frozenset[str] = frozenset()
    """Contents."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Hashes of files, and when each was forgotten."""

    @classmethod
    def of(cls, run: Mapping[str, Any] | None) -> Self:
        """Entries that we do not write are passed over."""
        entries = [each for each in (run or {}).get(FORGOTTEN, ()) if isinstance(each, dict)]
        ids = frozenset(each["source_id"] for each in entries if isinstance(each.get("source_id"), str))
        files = [(each.get("files"), str(each.get("at"))) for each in entries]
        return cls(ids=ids, marks={str(mark): at for marks, at in files if isinstance(marks, list) for mark in marks})

    def left(self, listing: Listing) -> tuple[Listing, int]:
        """A listing without their files, and how many those are."""
        if not self.marks:
            return listing, 0
        keys = {
            (each.uri, each.size_bytes, each.modified_ns)
            for each in listing.sources
            if not self.marks.keys().isdisjoint(_marks(each.uri, each.size_bytes, each.modified_ns))
        }
        sources: Sources = listing.sources.without(keys)
        return Listing(sources=sources, ignored=listing.ignored), len(keys)

    def part_without(self, part: pa.Table) -> pa.Table | None:
        """A part without the clips of their copies, and with a row that says why; without the rows of their own files.
        None where there is none of either."""
        sources = part["source"].to_pylist()
        own = [not self.marks.keys().isdisjoint(_marks(*_key(source))) for source in sources]
        if not any(own) and not any(source["source_id"] in self.ids for source in sources):
            return None
        rows = [row for row, is_own in zip(part.to_pylist(), own, strict=True) if not is_own]
        for row in rows:
            if row["source"]["source_id"] in self.ids:
                row |= {"source": _copy_of(row["source"]), "clips": []}
        return pa.Table.from_pylist(rows, schema=part.schema)


def mark_of(source: Row) -> str:
    """By which its file is known again: in this version, as another film may take its name; where nobody could tell
    what is in it, by its name alone."""
    by_name, by_version = _marks(*_key(source))
    return by_name if source["source_id"] is None else by_version


def marked(uri: str) -> str:
    """The mark of a name."""
    return hashlib.blake2b(uri.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _key(source: Row) -> tuple[str, int, int]:
    return source["uri"], source["size_bytes"], source["modified_ns"]


def _marks(uri: str, size_bytes: int, modified_ns: int) -> tuple[str, str]:
    return marked(uri), marked(f"{uri}\n{size_bytes}\n{modified_ns}")


def _copy_of(source: Row) -> Row:
    """Nothing of it but that it is there; without an id it owns no clips."""
    known = {name: source[name] for name in ("uri", "size_bytes", "modified_ns")}
    return dict.fromkeys(source) | known | {"status": "failed", "reason": FORGOTTEN, "num_clips": 0}
