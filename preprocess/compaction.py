"""What parts and tables become when parts are moved into the tables: decided from keys alone, before any file changes.

Deciding again after a kill, at whatever point, comes to the same tables:

- A source is built from a complete set of its spans, of one version of its file, or not at all.
- A source that the table of sources has in this version is settled: what is left of its parts is never looked at.
- But where the machine or the storage failed, nothing is settled. The source has a row that says so, and no clips; what
  its other spans gave stays in their parts until all of them are there.
- Clips follow their bytes: where the file that they were cut from is replaced or gone, a copy takes them over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from preprocess.clip import Row, Source, SpanKey
from preprocess.errors import UNSETTLED, slug
from preprocess.listing import natural_key

SourceKey = tuple[str, int, int]
"""uri, size in bytes, modification time in ns: one version of one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """One row of a part file, without its clips."""

    part: str
    row: int
    key: SpanKey
    source: Row
    num_clips: int

    @property
    def source_key(self) -> SourceKey:
        """The file that it is a span of."""
        return self.key[:3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What the tables will be made of."""

    sources: list[Row]
    """The new table of sources, in its order."""
    fresh: Mapping[str, Sequence[StoredSpan]]
    """By uri: the spans, in order of time, of the sources that come from parts."""
    owners: Mapping[str, str]
    """By source_id: the uri under which its clips are listed."""
    unfinished: frozenset[str]
    """Parts that are still the only record of something; the others can go once the tables are written."""


def is_settled(source: Row, again: Collection[str] = ()) -> bool:
    """Whether a row of `sources/` is a fact that stays. `again`: reasons that are not to count as such."""
    reason = slug(source["reason"])
    return reason not in UNSETTLED and reason not in again


def complete_sets(spans: Iterable[StoredSpan], again: Collection[str] = ()) -> dict[SourceKey, list[StoredSpan]]:
    """The sources of which every span is there, with their spans in order of time.

    A span that was tried again is there twice, and the try that settled it serves. A file whose length could not be
    asked in one of two runs is there in two divisions; the coarser one serves, of those that are settled if one is.
    """
    divisions: dict[tuple[SourceKey, int], dict[int, StoredSpan]] = {}
    for span in spans:
        by_index = divisions.setdefault((span.source_key, span.key[4]), {})
        if not is_settled(by_index.setdefault(span.key[3], span).source, again):
            by_index[span.key[3]] = span
    complete: dict[SourceKey, list[StoredSpan]] = {}
    for (key, count), by_index in sorted(divisions.items(), key=lambda division: division[0]):
        if len(by_index) != count:
            continue
        whole = [by_index[index] for index in range(count)]
        if key not in complete or (_all_settled(whole, again) and not _all_settled(complete[key], again)):
            complete[key] = whole
    return complete


def settled_sources(before: Sequence[Row], spans: Iterable[StoredSpan], again: Collection[str] = ()) -> set[SourceKey]:
    """The sources that need no more work. A copy of a source that is not in the table is not settled."""
    owned = {row["source_id"] for row in before if row["status"] != "duplicate"}
    rows = (row for row in before if row["status"] != "duplicate" or row["source_id"] in owned)
    in_parts = {key for key, whole in complete_sets(spans, again).items() if _all_settled(whole, again)}
    return {_key(row) for row in rows if is_settled(row, again)} | in_parts


def known_files(before: Iterable[Row], spans: Iterable[StoredSpan]) -> list[Source]:
    """What a listing would have, as far as tables and parts tell: each file in its newest version, in natural order."""
    newest: dict[str, Source] = {}
    for uri, size_bytes, modified_ns in [*map(_key, before), *(span.source_key for span in spans)]:
        if uri not in newest or modified_ns > newest[uri].modified_ns:
            newest[uri] = Source(uri=uri, size_bytes=size_bytes, modified_ns=modified_ns)
    return sorted(newest.values(), key=lambda source: (natural_key(source.uri), source.uri))


def plan_compaction(
    before: Sequence[Row], spans: Sequence[StoredSpan], listing: Sequence[Source], again: Collection[str] = ()
) -> Compaction:
    """Bring the rows of sources `before` up to date with the spans in the parts and the files as they are listed now.

    Rows come in the order of the listing, then those of files that are not listed (any more), by uri. What the table
    has for one of the reasons `again` gives way to what the parts have.
    """
    listed = {source.uri: (source.size_bytes, source.modified_ns) for source in listing}
    due = _due(spans, before, listed, again)
    # of several versions of a file that is not listed, the newest one comes last and stays
    complete = sorted(complete_sets(due, again).items(), key=lambda item: item[0][2])
    fresh = {uri: group for (uri, _, _), group in complete}
    sources = [dict(row) for row in before if row["uri"] not in fresh]
    sources += [_merged(group) for group in fresh.values()]
    position = {uri: index for index, uri in enumerate(listed)}
    sources.sort(key=lambda row: (position.get(row["uri"], len(position)), row["uri"]))
    waiting = [span for span in _due(due, sources, listed) if is_settled(span.source)]
    return Compaction(
        owners=_mark_duplicates(sources, position, before),
        sources=sources,
        fresh=fresh,
        unfinished=frozenset(span.part for span in waiting),
    )


def _due(
    spans: Iterable[StoredSpan],
    sources: Sequence[Row],
    listed: Mapping[str, tuple[int, int]],
    again: Collection[str] = (),
) -> list[StoredSpan]:
    """The spans that `sources` lack: of the version that is listed, or of a newer one where the file is not listed."""
    versions = {row["uri"]: (row["size_bytes"], row["modified_ns"]) for row in sources}
    unsettled = {row["uri"] for row in sources if not is_settled(row, again)}

    def is_due(uri: str, version: tuple[int, int]) -> bool:
        if versions.get(uri) == version:
            return uri in unsettled
        if uri in listed:
            return listed[uri] == version
        return uri not in versions or version[1] > versions[uri][1]

    return [span for span in spans if is_due(span.key[0], span.key[1:3])]


def _all_settled(spans: Iterable[StoredSpan], again: Collection[str] = ()) -> bool:
    return all(is_settled(span.source, again) for span in spans)


def _merged(spans: Sequence[StoredSpan]) -> Row:
    """One row of a source from those of all its spans."""
    row = dict(next((span for span in spans if span.source["source_id"] is not None), spans[0]).source)
    row["num_clips"] = sum(span.num_clips for span in spans)
    row["decode_errors"] = sum(span.source["decode_errors"] or 0 for span in spans)
    unsettled = next((span.source for span in spans if not is_settled(span.source)), None)
    if unsettled is not None:  # no clips before there are all of them, and so no owner of any
        return row | {"source_id": None, "status": "failed", "reason": unsettled["reason"], "num_clips": 0}
    for status in ("failed", "damaged"):
        worst = next((span.source for span in spans if span.source["status"] == status), None)
        if worst is not None:
            found = "damaged" if row["num_clips"] and len(spans) > 1 else status
            return row | {"status": found, "reason": worst["reason"]}
    return row | {"status": spans[0].source["status"], "reason": spans[0].source["reason"]}


def _mark_duplicates(sources: Sequence[Row], position: Mapping[str, int], before: Sequence[Row]) -> dict[str, str]:
    """Which uri owns each source_id; the others are marked in place.

    The first listed uri owns, but a copy only where the row that owned `before` is gone; it takes its status over.
    """
    owned = {row["source_id"]: row for row in before if row["status"] != "duplicate"}
    owners: dict[str, str] = {}
    for row in sorted(sources, key=lambda row: (row["status"] == "duplicate", row["uri"] not in position)):
        if row["source_id"] is None:
            continue
        first = owners.setdefault(row["source_id"], row["uri"])
        if first != row["uri"]:
            row.update(status="duplicate", reason=f"duplicate_of:{first}", num_clips=0)
        elif row["status"] == "duplicate" and (heir_of := owned.get(row["source_id"])) is not None:
            row.update({name: heir_of[name] for name in ("status", "reason", "num_clips", "decode_errors")})
    return owners


def _key(row: Row) -> SourceKey:
    return row["uri"], row["size_bytes"], row["modified_ns"]
