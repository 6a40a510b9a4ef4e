"""Write clips of a manifest as files, as they are or as a trainer wants them. Killed in the middle, it resumes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.rules import Mask
from pipelines.clips.cutter import Cutter
from pipelines.clips.file_record import FileRecord, has_none
from pipelines.clips.revisit import asked_clips, revisit_clips, with_values
from pipelines.clips.task import Task
from pipelines.curate import choose_engine
from pipelines.decide import to_be_changed
from pipelines.heartbeat import Heartbeat, heartbeat
from pipelines.outcomes import Finished, Outcomes
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.trust import refuse_strange_sources
from pipelines.report.write import offer_report
from pipelines.where import Where
from preprocess.clip import Clip
from preprocess.cutting.format import CutFormat
from preprocess.cutting.result import FILE_COLUMNS, CutFile
from preprocess.io import storage
from preprocess.io.hold import Hold, exclusive
from preprocess.io.roots import Roots
from preprocess.io.settings import dump, override
from preprocess.kinds import PICTURE
from preprocess.manifest import Manifest, Row

FOLDER = "files"
"""In OUT, where no other place is named."""
MOST_IN_UNIT = 8
"""Clips of a unit of work: what a kill leaves undone is done again."""
UNITS = 64
"""As many there are at least, where there are as many clips, so that workers end together."""
_AS_THEY_ARE, _NOT_MOVED = CutFormat(), Roots()
_COLUMNS = {column.name: column.field for column in FILE_COLUMNS}

_log = logging.getLogger("clipmill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How files are made, which has no say in what they are."""

    assignments: Sequence[str] = ()
    """`--set`."""
    sources: Sequence[str] = ()
    """Places other than that of the manifest below which videos may be opened."""
    roots: Sequence[str] = ()
    """`A=B`: where videos are now that the manifest names below A."""
    engine: str = "auto"
    workers: int | None = None
    strict: bool = False
    """Whether an error of our own code ends the run."""


def run_cut(
    out: str, dest: str | None = None, form: CutFormat = _AS_THEY_ARE, *, where: str | None = None, work: Work = Work()
) -> Finished:
    """Write the kept clips of the manifest at `out` that `where` holds for into `dest`, or `OUT/files`.

    Files that are there are not made again. The table of clips learns which file each clip has there; a clip whose file
    cannot be made has none, and the log says why.

    Raises:
        ValueError: no manifest, no such column, files of another format at `dest`, or too many in a row that failed.
    """
    location = Manifest(out).location
    place = storage.absolute(storage.join(location, FOLDER) if dest is None else dest)
    if place == location:
        raise ValueError(f"{place!r} is the manifest: name another folder, such as {storage.join(place, FOLDER)!r}")
    storage.check(place)
    with _job(out, place, work) as job:
        rows = chosen_clips(job.manifest, form, where, roots=job.roots)
        with exclusive(place):
            job.cut(rows, form)
            job.hold.confirm()
            files = FileRecord(place).values()
            nothing = dict.fromkeys(_COLUMNS)

            def changed(clips: pa.Table) -> pa.Table:
                known = {clip_id: files.get(clip_id, nothing) for clip_id in clips["clip_id"].to_pylist()}
                return with_values(clips, known, _COLUMNS)

            job.manifest.rewrite_clips(changed, job.run | {"cut": {"dest": place, "format": dump(form)}})
            offer_report(job.manifest)  # the card lists the columns
    _tell(place, rows, files)
    return Finished(out, job.outcomes)


def cut_rows(
    out: str, rows: Sequence[Row], form: CutFormat, dest: str, *, work: Work = Work()
) -> tuple[dict[str, CutFile], Finished]:
    """The files of these clips of the manifest at `out`, by clip id, in `dest`, which the caller holds; the table of
    clips learns nothing. Clips whose file cannot be made are not among them.

    Raises:
        ValueError: no manifest, files of another format at `dest`, or too many in a row that failed.
    """
    place = storage.absolute(dest)
    with _job(out, place, work) as job:
        job.cut(rows, form)
    files = FileRecord(place).values()
    found = {row["clip_id"]: CutFile.of(files.get(row["clip_id"], {})) for row in rows}
    return {clip_id: file for clip_id, file in found.items() if file is not None}, Finished(out, job.outcomes)


def chosen_clips(manifest: Manifest, form: CutFormat, where: str | None, *, roots: Roots = _NOT_MOVED) -> list[Row]:
    """The kept clips that a condition holds for and that are long enough for a format, as any picture is.

    Raises:
        ValueError: the condition is none, or names columns that there are not.
    """
    condition = None if where is None else Where(where)
    schema = manifest.parted_clips().schema
    if condition is not None and schema is not None:
        condition.check(schema)

    def choose(clips: pa.Table) -> Mask:
        kept = np.asarray(pc.equal(clips["status"], "kept").to_numpy(), np.bool_)
        return kept if condition is None else kept & condition.holds(clips)

    found = asked_clips(manifest, choose, roots)
    long_enough = [row for row in found if row.get("kind") == PICTURE or form.frames_of(Clip.of(row)) is not None]
    if len(long_enough) < len(found):
        _log.info("%d clips are too short for %s frames", len(found) - len(long_enough), form.min_frames or 1)
    return long_enough


@dataclass(frozen=True, slots=True)
class _Job:
    """A run over one manifest, which is held, into one folder."""

    manifest: Manifest
    run: Row
    config: CurateConfig
    place: str
    work: Work
    beating: Heartbeat
    hold: Hold
    outcomes: Outcomes
    roots: Roots

    def cut(self, rows: Sequence[Row], form: CutFormat) -> None:
        """Make the files that are not there yet."""
        record = FileRecord(self.place)
        record.claim(form)
        for folder in (self.place, record.folder):
            storage.delete_temporaries(folder, deep=False)
        record.tidy(set(storage.list_files(self.place, "")))
        revisit_clips(
            self.manifest,
            [{name: value for name, value in row.items() if name not in _COLUMNS} for row in rows],
            Task(config=self.config, measurements=(), captions=False, gated=False),
            columns=_COLUMNS,
            done=record.folder,
            engine=choose_engine(self.work.engine, self.work.workers, self.config),
            beating=self.beating,
            hold=self.hold,
            outcomes=self.outcomes,
            roots=self.roots,
            strict=self.work.strict,
            unsettled=has_none,
            measure=Cutter(form=form, dest=self.place),
            unit_clips=max(1, min(MOST_IN_UNIT, len(rows) // UNITS)),
        )
        storage.delete_temporaries(self.place, deep=False)  # of workers that died


@contextmanager
def _job(out: str, place: str, work: Work) -> Iterator[_Job]:
    manifest = Manifest(out)
    with exclusive(manifest.location) as hold, heartbeat(manifest.location, command="cut", subject=place) as beating:
        run, config = to_be_changed(manifest)
        roots = Roots.of(work.roots)
        refuse_strange_sources(manifest, config, work.sources, roots, opened=True)
        config = override(config, list(work.assignments))
        yield _Job(manifest, run, config, place, work, beating, hold, Outcomes(config), roots)


def _tell(place: str, rows: Sequence[Row], files: Mapping[str, Mapping[str, Any]]) -> None:
    """Say what is in the folder now."""
    asked = {row["clip_id"] for row in rows}
    made = {clip_id: file["file_method"] for clip_id, file in files.items() if not has_none(file)}
    methods = Counter(method for clip_id, method in made.items() if clip_id in asked)
    said = ", ".join(f"{count:,} by {method}" for method, count in sorted(methods.items()))
    _log.info("%r has files of %d of %d clips%s", place, methods.total(), len(asked), f": {said}" if said else "")
    if others := len(made) - methods.total():
        _log.info("it also has %d files of clips that were not asked for this time", others)
