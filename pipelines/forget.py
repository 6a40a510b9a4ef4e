"""A takedown: all that a manifest holds of a source goes, and no later run brings it back.

run.json says first that the source is forgotten. Then goes what only clip ids lead to, then the rows of clips, and the
row of the source last, by which the same command finds its way again after a kill at any step.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import history
from pipelines.clips.faults import FOLDER as ERRORS
from pipelines.clips.faults import error_file
from pipelines.clips.file_record import RECORD
from pipelines.cut import FOLDER as FILES
from pipelines.decide import rewrite
from pipelines.dedup.settle import GROUP
from pipelines.recipe.recorded import load, recorded_config
from pipelines.report.card import is_ours
from pipelines.report.write import offer_report
from pipelines.show.naming import absolute_if_any, candidates, sources_like, sources_named
from pipelines.terminal import shown
from pipelines.verdicts import forget as forget_verdicts
from preprocess.clip import Row
from preprocess.forgotten import FORGOTTEN, Forgotten, mark_of, marked
from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.io.roots import Roots
from preprocess.io.tables import write_table
from preprocess.manifest import PREVIEW_GROUP_ROWS, Manifest
from preprocess.schema import FINGERPRINT

BY_CLIP = ("columns", "answers", f"{FILES}/{RECORD}")
"""Folders in OUT whose tables have rows by `clip_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gone:
    """What is forgotten."""

    rows: Sequence[Row]
    """Of `sources/`: the source, and its copies."""
    clip_ids: frozenset[str]

    @property
    def ids(self) -> frozenset[str]:
        """Of contents."""
        return frozenset(row["source_id"] for row in self.rows if row["source_id"] is not None)

    @property
    def uris(self) -> frozenset[str]:
        """Their locations."""
        return frozenset(row["uri"] for row in self.rows)


def forget(out: str, source: str, *, say: Callable[[str], None] = print) -> str:
    """Take out of the manifest at `out` all that it holds of `source`, an id or a location, and of its copies.

    Files of its clips elsewhere, as far as the manifest knows of them, are named by `say` before anything goes.

    Raises:
        ValueError: there is no manifest, or no such source; those that may be meant are named.
    """
    manifest = Manifest(out)
    with exclusive(manifest.location) as hold:
        manifest.mend()
        run = load(manifest)
        rows = [*_rows(manifest), *manifest.sources_in_parts()]
        found = sources_named(source, rows)
        if not found:
            since = _forgotten_since(run, source)
            if since is None:
                like = sources_like(source, rows)
                near = f"; say which by id or in full:\n{candidates(like)}" if like else ""
                raise ValueError(f"{manifest.location!r} has no source {source!r}{near}")
            offer_report(manifest)
            return f"it is forgotten already, since {since}"
        gone = _Gone(rows=found, clip_ids=frozenset(_clip_ids(manifest, found)))
        for place in _elsewhere(manifest, run, gone):
            say(f"still there, and yours to remove: {shown(place)}")
        hold.confirm()
        run = _with_forgotten(run, gone)
        manifest.write_run(run)
        _remove_beside(manifest, gone)
        manifest.forget_in_parts()
        ids = pa.array(sorted(gone.ids), pa.string())
        manifest.rewrite_clips(lambda clips: clips.filter(_not_in(clips["source_id"], ids)), run)
        left = [row for row in _rows(manifest) if row["uri"] not in gone.uris and row["source_id"] not in gone.ids]
        manifest.replace_sources(left, {FINGERPRINT: str(run["fingerprint"])})
        _decide_what_stays(manifest, run)
    copies = f" under {len(gone.uris)} names" if len(gone.uris) > 1 else ""
    named = ", ".join(sorted(gone.ids)) or "which had no id"
    return (
        f"forgotten: {named}{copies}, with {len(gone.clip_ids):,} clips. `forget --take-back` lets `curate` take it in"
    )


def _decide_what_stays(manifest: Manifest, run: dict[str, Any]) -> None:
    """See that no clip is rejected because it repeats one that is gone, and that the page is of what is left."""
    table = manifest.parted_clips()
    if table.schema is not None and GROUP in table.schema.names:
        rewrite(manifest, run, recorded_config(run), roots=Roots())
    else:
        offer_report(manifest)


def take_back(out: str, source: str) -> str:
    """Let `curate` take a source in again that was forgotten, given by its id or its location then.

    Raises:
        ValueError: there is no manifest, or no such source is forgotten.
    """
    manifest = Manifest(out)
    with exclusive(manifest.location) as hold:
        manifest.mend()
        run = load(manifest)
        entries = run.get(FORGOTTEN, [])
        left = [entry for entry in entries if not _is_of(entry, source)]
        if len(left) == len(entries):
            ids = "\n  ".join(sorted(Forgotten.of(run).ids)) or "none"
            raise ValueError(f"{manifest.location!r} has not forgotten {source!r}; by id, it has forgotten\n  {ids}")
        hold.confirm()
        rows = _rows(manifest)
        manifest.write_run(run | {FORGOTTEN: left})
        manifest.replace_sources(
            [row for row in rows if row["reason"] != FORGOTTEN], {FINGERPRINT: str(run["fingerprint"])}
        )
    return "`curate` takes it in again where it finds it, and measures it anew: nothing that was known of it is left"


def _rows(manifest: Manifest) -> list[Row]:
    table = manifest.sources()
    return [] if table is None else table.to_pylist()


def _clip_ids(manifest: Manifest, rows: Sequence[Row]) -> Iterator[str]:
    """Of the clips in the table."""
    ids = pa.array([row["source_id"] for row in rows if row["source_id"] is not None], pa.string())
    for batch in manifest.parted_clips().batches(["clip_id", "source_id"]):
        yield from batch.filter(pc.is_in(batch["source_id"], value_set=ids))["clip_id"].to_pylist()


def _elsewhere(manifest: Manifest, run: Row, gone: _Gone) -> Iterator[str]:
    """Files of its clips that the last `cut` wrote into another folder. They are not opened, and not looked for."""
    cut = run.get("cut")
    dest = cut.get("dest") if isinstance(cut, dict) else None
    if not isinstance(dest, str) or dest == storage.join(manifest.location, FILES):
        return
    ids = pa.array(sorted(gone.clip_ids), pa.string())
    for batch in manifest.parted_clips().batches(["clip_id", "file"]):
        if "file" in batch.column_names:
            names = batch.filter(pc.is_in(batch["clip_id"], value_set=ids))["file"].drop_null().to_pylist()
            yield from (storage.join(dest, name) for name in names)


def _with_forgotten(run: Row, gone: _Gone) -> Row:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    known = Forgotten.of(run)
    ids: list[str | None] = [*sorted(gone.ids - known.ids)] if gone.ids else [None]
    files = sorted({mark_of(row) for row in gone.rows} - known.marks.keys())
    names = sorted(map(marked, gone.uris))
    entries = [{"source_id": source_id, "at": at, "files": files, "names": names} for source_id in ids]
    source = "" if run.get("source") in gone.uris else run.get("source", "")
    return run | {FORGOTTEN: [*run.get(FORGOTTEN, ()), *entries], "source": source}


def _remove_beside(manifest: Manifest, gone: _Gone) -> None:
    """All that is not in the two tables."""
    ids = pa.array(sorted(gone.clip_ids), pa.string())
    inside = storage.join(manifest.location, FILES)
    for name in storage.list_files(inside, ""):
        if name.partition(".")[0] in gone.clip_ids:
            storage.delete(storage.join(inside, name))
    for name in storage.list_files(storage.join(manifest.location, "previews"), ".parquet"):
        _drop_rows(storage.join(manifest.location, "previews", name), ids, group_rows=PREVIEW_GROUP_ROWS)
    for folder in BY_CLIP:
        for place in storage.files_below(storage.join(manifest.location, *folder.split("/")), ".parquet"):
            _drop_rows(place, ids)
    forget_verdicts(manifest.location, gone.clip_ids)
    _remove_errors(manifest, gone)
    # what a `decide` replaced holds captions, and fits no table from which rows are gone
    storage.delete_folder(storage.join(manifest.location, history.FOLDER))
    card = storage.join(manifest.location, "README.md")
    if is_ours(storage.read_bytes(card)):
        storage.delete(card)
    storage.delete(storage.join(manifest.location, "report.html"))
    status = storage.join(manifest.location, "status.json")
    if _speaks_of(storage.read_bytes(status), gone):
        storage.delete(status)


def _drop_rows(place: str, clip_ids: pa.Array, *, group_rows: int = 100_000) -> None:
    """Write a table again without some clips, or delete it where it has no others."""
    with storage.open_file(place) as opened:
        file = pq.ParquetFile(opened)
        if "clip_id" not in file.schema_arrow.names:
            return
        stays = _not_in(file.read(["clip_id"], use_threads=False)["clip_id"], clip_ids)
        if pc.all(stays).as_py():
            return
        rows = file.read(use_threads=False).filter(stays)
    if rows.num_rows:
        write_table(place, rows, group_rows=group_rows)
    else:
        storage.delete(place)


def _remove_errors(manifest: Manifest, gone: _Gone) -> None:
    """Tracebacks that are named after it or its clips, or speak of it."""
    own = {error_file(manifest.location, name) for name in (*gone.uris, *gone.clip_ids)}
    for name in storage.list_files(storage.join(manifest.location, ERRORS), ".txt"):
        place = storage.join(manifest.location, ERRORS, name)
        if place in own or _speaks_of(storage.read_bytes(place), gone):
            storage.delete(place)


def _speaks_of(data: bytes | None, gone: _Gone) -> bool:
    names = (*gone.uris, *gone.ids)
    return data is not None and any(name.encode("utf-8", "backslashreplace") in data for name in names)


def _not_in(column: pa.ChunkedArray, values: pa.Array) -> pa.ChunkedArray:
    return pc.invert(pc.is_in(column, value_set=values))


def _forgotten_since(run: Row, source: str) -> str | None:
    return next((str(entry.get("at")) for entry in run.get(FORGOTTEN, ()) if _is_of(entry, source)), None)


def _is_of(entry: object, source: str) -> bool:
    """Whether an entry is of a source, by its id or by the location that it had."""
    if not isinstance(entry, dict):
        return False
    names = entry.get("names")
    places = {marked(place) for place in (source, absolute_if_any(source))}
    return entry.get("source_id") == source or (isinstance(names, list) and not places.isdisjoint(map(str, names)))
