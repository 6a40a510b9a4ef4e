"""Look a manifest through: what is wrong in it, in sentences. Reads only, and takes no lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.recipe.config import CurateConfig
from pipelines.recipe.recorded import recorded_config
from pipelines.recipe.trust import refuse_strange_sources
from pipelines.shares import together
from pipelines.validation.clips import NEEDED, ClipChecks, columns_read
from pipelines.validation.findings import Findings
from pipelines.validation.schema import check_schemas
from pipelines.validation.sources import check_counts, check_files, check_sources, with_clips
from pipelines.verdicts import Waiting
from preprocess.clip import Row
from preprocess.forgotten import Forgotten
from preprocess.io import storage
from preprocess.io.roots import Roots
from preprocess.io.tables import PartedTable
from preprocess.manifest import Manifest

_IDS = pa.schema([("clip_id", pa.string())])
_CLIPS = pa.schema([*_IDS, ("status", pa.string())])
FILES = ("none", "there", "bytes")


def validate(out: str, *, files: str = "none", sources: Sequence[str] = (), roots: Sequence[str] = ()) -> Findings:
    """What is wrong with the manifest at `out`.

    Args:
        out: it may be in use; then what changes meanwhile may seem wrong.
        files: `none` looks at no video, `there` sees that each is there and of the same size, `bytes` reads them.
        sources: where videos may be asked for elsewhere than at the manifest.
        roots: `A=B`, where videos are now.

    Raises:
        ValueError: there is no manifest, or its videos are elsewhere than it may lead to by itself.
    """
    manifest, moved = Manifest(out), Roots.of(roots)
    run = manifest.run_to_be() or manifest.run()
    clips, table = manifest.parted_clips(), manifest.parted_sources()
    if run is None and clips.schema is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    config, why = _config(run)
    found = check_schemas(
        manifest,
        clips,
        table,
        {} if config is None else config.columns,
        None if run is None else run.get("fingerprint"),
    )
    if why:
        found.notes.append(f"decisions are not checked: {why}")
    found.notes += _left_over(manifest)
    rows = _source_rows(manifest, found)
    check_sources(found, rows)
    left = [row["source_id"] for row in rows if row["source_id"] in Forgotten.of(run).ids]
    found.wrong("sources that are forgotten and still there; `forget` them again", left)
    _check_clips(found, clips, rows, config)
    _check_ids(found, manifest, clips)
    if files != "none":
        if config is not None:
            refuse_strange_sources(manifest, config, sources, moved)
        check_files(found, rows, moved, whole=files == "bytes")
    if not found.status:
        found.notes.insert(
            0, f"{manifest.location!r}: {clips.num_rows:,} clips of {len(rows):,} files, nothing is wrong"
        )
    return found


def _config(run: Row | None) -> tuple[CurateConfig | None, str]:
    """The recipe, or why it is not known."""
    if run is None:
        return None, "there is no run.json"
    try:
        return recorded_config(run), ""
    except ValueError as error:
        return None, str(error)


def _left_over(manifest: Manifest) -> Iterator[str]:
    parts = len(storage.list_files(storage.join(manifest.location, "parts"), ".parquet"))
    if parts:
        yield f"{parts:,} finished units are not in the tables yet: a `curate` goes on, or was stopped"
    if manifest.run_to_be() is not None:
        yield "a change was killed before run.json followed it: the next command brings it to its end"
    if words := len(Waiting.at(manifest.location).places):
        yield f"{words:,} words by hand are not in the table yet: the next `decide` or `serve` puts them into it"


def _source_rows(manifest: Manifest, found: Findings) -> list[Row]:
    try:
        table = manifest.sources()
    except (OSError, pa.ArrowException) as error:
        found.wrong("tables that cannot be read", [f"sources: {error}"])
        return []
    lacking = dict.fromkeys(("uri", "source_id", "status", "reason", "num_clips", "size_bytes", "duration_seconds"))
    return [] if table is None else [lacking | row for row in table.to_pylist()]


def _check_clips(found: Findings, clips: PartedTable, rows: Sequence[Row], config: CurateConfig | None) -> None:
    if clips.schema is None or not {*NEEDED, "reasons", "duration_seconds"} <= set(clips.schema.names):
        return  # the columns that it lacks are told
    owners = with_clips(rows)
    checks = ClipChecks(found, owners, config)
    try:
        for batch in clips.batches(columns_read(config)):
            checks.add(batch)
    except (OSError, pa.ArrowException) as error:
        found.wrong("tables that cannot be read", [f"clips: {error}"])
        return
    check_counts(found, owners, checks.counts, checks.extents)


def _check_ids(found: Findings, manifest: Manifest, clips: PartedTable) -> None:
    """Each clip once, and a preview of each that is kept: one into which no sample falls, as it is so short, has none.
    Previews of clips that are no more do no harm."""
    if clips.schema is None or not {"clip_id", "status"} <= set(clips.schema.names):
        return
    stray = blind = 0
    try:
        rows = (batch.select(_CLIPS.names).cast(_CLIPS) for batch in clips.batches(_CLIPS.names))
        tables = ((_CLIPS, rows), (_IDS, _preview_ids(manifest)))
        for ids, previews in together(tables, "clip_id", clips.num_rows):
            counts = pc.value_counts(ids["clip_id"].combine_chunks())
            twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
            found.wrong("clips that are there twice", twice.slice(0, 3).to_pylist(), len(twice))
            bare = ids.filter(pc.invert(pc.is_in(ids["clip_id"], value_set=previews["clip_id"].combine_chunks())))
            kept = bare.filter(pc.fill_null(pc.equal(bare["status"], "kept"), False))
            found.wrong("kept clips without a preview", kept["clip_id"].slice(0, 3).to_pylist(), kept.num_rows)
            blind += bare.num_rows - kept.num_rows
            known = pc.is_in(previews["clip_id"], value_set=ids["clip_id"].combine_chunks())
            stray += previews.num_rows - (pc.sum(known).as_py() or 0)
    except (OSError, pa.ArrowException) as error:
        found.wrong("tables that cannot be read", [f"clips or previews: {error}"])
    if blind:
        found.notes.append(f"{blind:,} clips that are not kept have no preview, as have those of a few frames")
    if stray:
        found.notes.append(f"{stray:,} previews are of clips that are no more, as of files that were replaced")


def _preview_ids(manifest: Manifest) -> Iterator[pa.Table]:
    folder = storage.join(manifest.location, "previews")
    for name in storage.list_files(folder, ".parquet"):
        with storage.open_file(storage.join(folder, name)) as file:
            yield pq.ParquetFile(file).read(["clip_id"], use_threads=False)
