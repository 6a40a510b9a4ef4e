"""Which source, or clip, a user means by an id, a path or a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipelines.terminal import shown
from preprocess.clip import Row
from preprocess.io import storage

MOST_NAMED = 10


def sources_named(text: str, rows: Iterable[Row]) -> list[Row]:
    """The rows of sources that `text` is the id or the location of, copies of the same content included."""
    rows = list(rows)
    places = {text, absolute_if_any(text)}
    ids = {row["source_id"] for row in rows if row["source_id"] == text or row["uri"] in places} - {None}
    return [row for row in rows if row["uri"] in places or row["source_id"] in ids]


def sources_like(text: str, rows: Iterable[Row]) -> list[Row]:
    """Those whose location ends in `text`, or whose name holds it, in their order; names as they are first."""
    rows = list(rows)
    tail = f"/{text.lstrip('/')}"
    return [row for row in rows if row["uri"].endswith(tail)] or [
        row for row in rows if text.casefold() in row["uri"].rpartition("/")[2].casefold()
    ]


def candidates(rows: Sequence[Row]) -> str:
    """Of several sources, ids and locations for a message."""
    named = [f"  {row['source_id'] or 'no id'}  {shown(row['uri'])}" for row in rows[:MOST_NAMED]]
    more = [f"  and {len(rows) - MOST_NAMED:,} others"] if len(rows) > MOST_NAMED else []
    return "\n".join([*named, *more])


def absolute_if_any(text: str) -> str:
    """The location that a text is; the text itself where it is none."""
    try:
        return storage.absolute(text)
    except ValueError:
        return text
