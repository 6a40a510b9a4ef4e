"""Two manifests compared clip by clip: which changed status, why, and what only one of them has. Reads only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.progress import hours_text
from pipelines.recipe.recorded import load
from pipelines.shares import together
from pipelines.terminal import shown
from pipelines.verdicts import VERDICT
from preprocess.io.tables import PartedTable, differing
from preprocess.manifest import Manifest

MOST_EXAMPLES = 3
"""Of each kind of change."""
MOST_LINES = 20
"""Of settings, and of reasons of a kind of change."""
_COLUMNS = ("clip_id", "source_id", "status", "reasons", "duration_seconds")
_SOURCE_COLUMNS = ("source_id", "uri", "status")
_PLACE = ("source_uri", "start_seconds", "end_seconds")
ONLY_A, ONLY_B, OTHER_REASONS = "only_in_a", "only_in_b", "other_reasons"


@dataclass(slots=True)
class Kind:
    """The clips that one kind of change happened to."""

    clips: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    """Those that came or went with it; of clips that only one has, its own."""
    examples: list[str] = field(default_factory=list)
    """Ids of some."""


@dataclass(slots=True, kw_only=True)
class Difference:
    """What `diff` counts."""

    settings: list[str]
    """Such as `rules.motion.min: 0.1 -> 0.7`."""
    same: int = 0
    """Clips of the same status for the same reasons."""
    kinds: dict[str, Kind] = field(default_factory=dict)
    """Such as `kept_to_rejected`."""
    sources: Counter[str] = field(default_factory=Counter)
    """Such as `only_in_a` or `ok_to_damaged`; copies do not count."""


def print_diff(a: str, b: str, *, as_json: bool) -> None:
    """Print how the manifest at `b` differs from that at `a`.

    As JSON, an object a line for each clip that changed or that only one has, and at the end one with the counts.

    Raises:
        ValueError: one of them is no manifest.
    """
    manifests = Manifest(a), Manifest(b)
    found = Difference(settings=_settings(*(load(manifest).get("settings", {}) for manifest in manifests)))
    tables = [manifest.parted_clips() for manifest in manifests]
    for change in _changes(tables[0], tables[1], found):
        if as_json:
            print(json.dumps(change))
    _compare_sources(manifests[0].parted_sources(), manifests[1].parted_sources(), found)
    if as_json:
        print(json.dumps({"summary": _plain(found)}))
    else:
        print("\n".join(_lines(found, tables, manifests)))


def _changes(a: PartedTable, b: PartedTable, found: Difference) -> Iterator[dict[str, Any]]:
    """Count the clips, and give those that changed."""
    tables = [_columns_of(table, _COLUMNS) for table in (a, b)]
    for one, other in together(tables, "clip_id", max(a.num_rows, b.num_rows)):
        place = pc.index_in(other["clip_id"], value_set=one["clip_id"].combine_chunks())
        in_both = place.is_valid()
        after = other.filter(in_both)
        before = one.take(place.drop_null())
        changed = differing(before["status"], after["status"]) | differing(before["reasons"], after["reasons"])
        found.same += int(len(changed) - changed.sum())
        rows = [side.filter(pa.array(changed)).to_pylist() for side in (before, after)]
        for row, now in zip(*rows, strict=True):
            kind = f"{row['status']}_to_{now['status']}" if row["status"] != now["status"] else OTHER_REASONS
            was, is_ = row["reasons"] or [], now["reasons"] or []
            _count(found, kind, now, [each for each in (*was, *is_) if (each in was) != (each in is_)])
            yield _said(kind, row, now)
        only_one = one.filter(pc.invert(pc.is_in(one["clip_id"], value_set=other["clip_id"].combine_chunks())))
        for kind, rows in ((ONLY_A, only_one), (ONLY_B, other.filter(pc.invert(in_both)))):
            for row in (row for batch in rows.to_batches(max_chunksize=10_000) for row in batch.to_pylist()):
                _count(found, kind, row, row["reasons"] or [])
                yield _said(kind, *((row, None) if kind == ONLY_A else (None, row)))


def _count(found: Difference, kind: str, row: Mapping[str, Any], reasons: Sequence[str]) -> None:
    of_kind = found.kinds.setdefault(kind, Kind())
    of_kind.clips += 1
    of_kind.seconds += row["duration_seconds"] or 0.0
    of_kind.reasons.update(reasons)
    if len(of_kind.examples) < MOST_EXAMPLES:
        of_kind.examples.append(row["clip_id"])


def _said(kind: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    rows = (before, after)
    sides = {name: [None if row is None else row[name] for row in rows] for name in ("status", "reasons")}
    row = after or before or {}
    return {"clip_id": row["clip_id"], "source_id": row["source_id"], "change": kind, **sides}


def _compare_sources(a: PartedTable, b: PartedTable, found: Difference) -> None:
    """By content, or by name where a file could not be read; a copy is the file that it is a copy of."""
    tables = []
    for table in (a, b):
        schema, batches = _columns_of(table, _SOURCE_COLUMNS)
        keyed = schema.append(pa.field("key", pa.string()))
        tables.append((keyed, (_keyed(batch).cast(keyed) for batch in batches)))
    for one, other in together(tables, "key", max(a.num_rows, b.num_rows)):
        statuses = [
            dict(zip(rows["key"].to_pylist(), rows["status"].to_pylist(), strict=True)) for rows in (one, other)
        ]
        for key in statuses[0].keys() | statuses[1].keys():
            if key not in statuses[1]:
                found.sources[ONLY_A] += 1
            elif key not in statuses[0]:
                found.sources[ONLY_B] += 1
            elif statuses[0][key] != statuses[1][key]:
                found.sources[f"{statuses[0][key]}_to_{statuses[1][key]}"] += 1


def _keyed(sources: pa.Table) -> pa.Table:
    own = sources.filter(pc.fill_null(pc.not_equal(sources["status"], "duplicate"), True))
    return own.append_column("key", pc.coalesce(own["source_id"], own["uri"]))


def _columns_of(table: PartedTable, columns: Sequence[str]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Of a table, in the order of `columns`.

    Raises:
        ValueError: it is not there, or lacks one.
    """
    schema = table.schema if table.schema is not None else pa.schema([])
    if missing := [name for name in columns if name not in schema.names]:
        raise ValueError(f"a table without {', '.join(missing)}: `python -m pipelines validate OUT` says more")
    chosen = pa.schema([schema.field(name) for name in columns])
    return chosen, (batch.select(list(columns)) for batch in table.batches(list(columns)))


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    keys = [key for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key)]
    return [f"{key}: {a.get(key)} -> {b.get(key)}" for key in keys]


def _plain(found: Difference) -> dict[str, Any]:
    kinds = {
        name: {"clips": kind.clips, "seconds": kind.seconds, "reasons": dict(kind.reasons.most_common())}
        for name, kind in found.kinds.items()
    }
    return {"settings": found.settings, "same": found.same, "changes": kinds, "sources": dict(found.sources)}


def _lines(found: Difference, tables: Sequence[PartedTable], manifests: Sequence[Manifest]) -> Iterator[str]:
    for letter, table, manifest in zip("AB", tables, manifests, strict=True):
        yield f"{letter} is {manifest.location!r}: {table.num_rows:,} clips"
    yield from (f"  {shown(line)}" for line in found.settings[:MOST_LINES])
    if len(found.settings) > MOST_LINES:
        yield f"  and {len(found.settings) - MOST_LINES} more settings"
    yield f"{found.same:,} clips are the same in both, and so are their reasons"
    wanted = [clip_id for kind in found.kinds.values() for clip_id in kind.examples]
    rows = [_rows(table, wanted) for table in tables]
    for name, kind in sorted(found.kinds.items(), key=lambda item: -item[1].clips):
        yield f"{kind.clips:,} clips {_words(name)}, {hours_text(kind.seconds / 3600)}"
        yield from (f"  {count:,} {shown(reason)}" for reason, count in kind.reasons.most_common(MOST_LINES))
        yield from (f"  such as {_example(clip_id, rows)}" for clip_id in kind.examples)
    for name, count in sorted(found.sources.items(), key=lambda item: -item[1]):
        yield f"{count:,} sources {_words(name)}"


_WORDS = {
    ONLY_A: "only in A",
    ONLY_B: "only in B",
    OTHER_REASONS: "of the same status for other reasons",
    "kept_to_rejected": "kept in A and rejected in B",
    "rejected_to_kept": "rejected in A and kept in B",
}


def _words(kind: str) -> str:
    return _WORDS.get(kind) or shown(kind.replace("_to_", " in A and in B "))


def _example(clip_id: str, rows: Sequence[Mapping[str, Mapping[str, Any]]]) -> str:
    """Where a clip is, and the values that its reasons are about, in A and in B."""
    of = [table.get(clip_id, {}) for table in rows]
    row = of[0] or of[1]
    columns = dict.fromkeys(reason.partition(":")[0] for side in of for reason in side.get("reasons") or ())
    if of[0].get(VERDICT) != of[1].get(VERDICT):
        columns[VERDICT] = None
    values = [f"{shown(name)} {_value(of[0], name)} -> {_value(of[1], name)}" for name in columns]
    place = f"{row['source_uri']!r}, {row['start_seconds']:.2f} to {row['end_seconds']:.2f} s"
    return f"{shown(clip_id)} of {place}{': ' if values else ''}{', '.join(values)}"


def _value(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "nothing" if value is None else f"{value:.4g}" if isinstance(value, float) else shown(value)


def _rows(table: PartedTable, clip_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The rows of some clips; only the groups that hold one are read in full."""
    found: dict[str, dict[str, Any]] = {}
    wanted = pa.array(clip_ids, pa.string())
    for group in range(len(table.groups) if clip_ids else 0):
        chosen = pc.is_in(table.read(group, ["clip_id"])["clip_id"], value_set=wanted)
        if pc.any(chosen).as_py():
            found |= {row["clip_id"]: row for row in table.read(group).filter(chosen).to_pylist()}
        if len(found) == len(clip_ids):
            break
    return found
