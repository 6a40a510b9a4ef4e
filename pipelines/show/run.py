"""What a manifest says of one clip, of one source, or of all, for a terminal. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.history import entries
from pipelines.recipe.bounds import Bounds
from pipelines.recipe.recorded import load, recorded_config
from pipelines.show.clip import clip_lines
from pipelines.show.naming import MOST_NAMED, candidates, sources_like, sources_named
from pipelines.show.player import play
from pipelines.show.source import source_lines
from pipelines.terminal import shown
from preprocess.clip import CLIP_COLUMNS, Row
from preprocess.forgotten import FORGOTTEN
from preprocess.io.roots import Roots
from preprocess.manifest import Manifest
from preprocess.schema import DECISION_COLUMNS, SOURCE_SCHEMA, is_vector

_NEEDED = ("clip_id", "source_id", "start_seconds", "end_seconds", "duration_seconds", "fps", "status", "reasons")
LEAST_PREFIX = 4
"""Characters of an id that may stand for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was asked for: one clip, or one source with its copies and clips."""

    clip: Row | None = None
    sources: list[Row]
    clips: list[Row]


def show(out: str, what: str, *, roots: Roots, opened: bool = False) -> Iterator[str]:
    """Lines on a clip or a source of the manifest at `out`, and with `opened` its film in the user's player.

    Args:
        out: the manifest, which may be in use.
        what: an id or its first characters, a location, its end, or a part of a file's name.
        roots: where videos are now.
        opened: whether it is played.

    Raises:
        ValueError: there is no manifest, or nothing of that name or several; or what cannot be played, and why.
    """
    manifest = Manifest(out)
    run = manifest.run_to_be() or load(manifest)
    bounds = _bounds(run)
    found = find(manifest, what)
    schema = manifest.parted_clips().schema
    assert schema is not None
    if found.clip is not None:
        yield from clip_lines(found.clip, schema, bounds)
    else:
        yield from source_lines(found.sources, found.clips, run)
    if opened:
        yield play(found.clip, found.sources, run, roots)


def summary_lines(out: str) -> Iterator[str]:
    """What is decided by, and what can be asked for.

    Raises:
        ValueError: there is no manifest.
    """
    manifest = Manifest(out)
    run = manifest.run_to_be() or load(manifest)
    recipe = run.get("recipe") or {}
    yield f"recipe {shown(recipe.get('name', 'unknown'))}, captions by {shown(recipe.get('captioner', 'nobody'))}"
    bounds = _bounds(run)
    for column in dict.fromkeys(column for column, _ in bounds):
        yield f"  {shown(column)} {bound_text(bounds, column)}"
    if history := entries(run):
        yield f"{len(history):,} changes of bounds can be taken back, the last one of {shown(history[-1].told())}"
    if forgotten := run.get(FORGOTTEN):
        yield f"{len(forgotten):,} sources were forgotten"


def find(manifest: Manifest, what: str) -> Found:
    """The one clip or source that is meant.

    Raises:
        ValueError: there is none, or there are several, which are named; or the table is not one that we write.
    """
    _refuse_strange(manifest.parted_clips().schema)
    rows = _sources(manifest)
    clip_ids = _clip_ids(manifest, what)
    if what in clip_ids:
        return _clip(manifest, rows, what)
    sources = sources_named(what, rows)
    if not sources:
        by_id = [row for row in rows if len(what) >= LEAST_PREFIX and (row["source_id"] or "").startswith(what)]
        sources = by_id or ([] if clip_ids else sources_like(what, rows))
        contents = {row["source_id"] or row["uri"] for row in sources}
        if len(contents) + len(clip_ids) > 1:
            named = [f"  clip {shown(clip_id)}" for clip_id in clip_ids[:MOST_NAMED]]
            listing = "\n".join([*named, *([candidates(sources)] if sources else [])])
            raise ValueError(f"{what!r} may be one of several; say more of it:\n{listing}")
        if clip_ids:
            return _clip(manifest, rows, clip_ids[0])
        if not sources:
            raise ValueError(f"{manifest.location!r} has no clip and no source {what!r}")
        sources = sources_named(sources[0]["uri"], rows)
    ids = pa.array(sorted({row["source_id"] for row in sources} - {None}), pa.string())
    clips = _rows(manifest, "source_id", ids)
    return Found(sources=sources, clips=sorted(clips, key=lambda clip: (clip["start_seconds"], clip["end_seconds"])))


def bound_text(bounds: dict[tuple[str, str], float | None], column: str) -> str:
    """Such as `0.1 to 60.0`; "" where there is none."""
    low, high = bounds.get((column, "min")), bounds.get((column, "max"))
    if low is None or high is None:
        return f"from {low}" if low is not None else f"up to {high}" if high is not None else ""
    return f"{low} to {high}"


def _bounds(run: Row) -> dict[tuple[str, str], float | None]:
    """As run.json has them, also where its recipe needs code that is not here."""
    try:
        return Bounds.of(recorded_config(run)).ends()
    except ValueError:
        rules = (run.get("recipe") or {}).get("rules")
        listed = [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
        ends = {(str(rule.get("column")), end): rule.get(end) for rule in listed for end in ("min", "max")}
        return {key: value for key, value in ends.items() if isinstance(value, int | float)}


def _refuse_strange(schema: pa.Schema | None) -> None:
    """See that lines can be made of what is in the rows.

    Raises:
        ValueError: columns are missing, or hold something else.
    """
    wanted = [column for column in (*CLIP_COLUMNS, *DECISION_COLUMNS) if column.name in _NEEDED]
    kinds = {} if schema is None else {field.name: field.type for field in schema}
    odd = [column.name for column in wanted if not _alike(kinds.get(column.name), column.type)]
    if odd:
        raise ValueError(
            f"{', '.join(odd)}: missing in the table of clips, or of another type; `python -m pipelines validate OUT` "
            "says more"
        )


def _alike(kind: pa.DataType | None, wanted: pa.DataType) -> bool:
    if kind is not None and pa.types.is_list(kind) and pa.types.is_list(wanted):
        return bool(kind.value_type == wanted.value_type)
    return bool(kind == wanted)


def _sources(manifest: Manifest) -> list[Row]:
    """All rows; what is no such column as we write is None."""
    table = manifest.sources()
    if table is None:
        return []
    own = [field.name for field in SOURCE_SCHEMA if field in table.schema.remove_metadata()]
    nothing = dict.fromkeys(SOURCE_SCHEMA.names)
    rows = table.select(own).to_pylist()
    return [nothing | row | {"uri": row.get("uri") or "", "status": row.get("status") or "unknown"} for row in rows]


def _clip_ids(manifest: Manifest, what: str) -> list[str]:
    """Those that begin so; the whole id alone where it is one."""
    found: list[str] = []
    for batch in manifest.parted_clips().batches(["clip_id"]) if len(what) >= LEAST_PREFIX else ():
        found += batch["clip_id"].filter(pc.starts_with(batch["clip_id"], what)).to_pylist()
        if what in found:
            return [what]
    return found[: MOST_NAMED + 1]


def _clip(manifest: Manifest, sources: list[Row], clip_id: str) -> Found:
    [clip, *_] = _rows(manifest, "clip_id", pa.array([clip_id]))
    of = [row for row in sources if row["source_id"] == clip["source_id"]]
    return Found(clip=clip, sources=of, clips=[])


def _rows(manifest: Manifest, column: str, values: pa.Array) -> list[dict[str, Any]]:
    """The rows with one of these values, without vectors; other groups of rows are not read."""
    table = manifest.parted_clips()
    found: list[dict[str, Any]] = []
    names = [field.name for field in table.schema or () if not is_vector(field.type)]
    for group in range(len(table.groups)):
        chosen = pc.is_in(table.read(group, [column])[column], value_set=values)
        if pc.any(chosen).as_py():
            found += table.read(group, names).filter(chosen).to_pylist()
    return [row | {name: row[name] or 0.0 for name in ("start_seconds", "end_seconds")} for row in found]
