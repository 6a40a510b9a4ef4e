"""See a run from elsewhere: what it last said of itself, and what the tables hold.

Reads only, and takes no lock: the run, on this machine or on a cluster, never notices.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.progress import hours_text, size_text
from pipelines.run_status import RunStatus, now, read_status
from preprocess.errors import UNSETTLED, slug
from preprocess.io import storage
from preprocess.manifest import Manifest

_ATTEMPTS = 3
"""A run may replace the tables while they are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCounts:
    """What the tables hold: all runs together, up to the last one that ended well."""

    sources: dict[str, int]
    """By status."""
    failures: dict[str, int]
    """Sources that failed or are damaged, by reason."""
    clips_found: int
    clips_kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The answer of `status`."""

    run: RunStatus | None
    """None where no run has said anything yet."""
    seems_dead: bool
    """It says that it runs, but has said nothing for too long: it was killed, or its machine is gone."""
    silent_seconds: float
    finished: str | None
    """When a `curate` last ended well."""
    parts: int
    """Units that are done and not in the tables yet."""
    tables: TableCounts | None
    """None before the first compaction."""


def status(out: str) -> Status:
    """How far the manifest at `out` is.

    Raises:
        ValueError: there is no manifest, and no run has begun one.
    """
    manifest = Manifest(out)
    run, record, at = read_status(manifest.location), manifest.run(), now()
    if run is None and record is None:
        raise ValueError(f"{manifest.location!r}: no run has begun there")
    return Status(
        run=run,
        seems_dead=run is not None and run.seems_dead(at),
        silent_seconds=0.0 if run is None else run.silent_seconds(at),
        finished=None if record is None else record.get("finished"),
        parts=len(storage.list_files(storage.join(manifest.location, "parts"), ".parquet")),
        tables=_table_counts(manifest),
    )


def print_status(out: str, *, as_json: bool) -> None:
    """`status`, for people or as one JSON object."""
    found = status(out)
    print(json.dumps(_as_object(found)) if as_json else "\n".join(_lines(found)))


def _table_counts(manifest: Manifest) -> TableCounts | None:
    for attempt in range(_ATTEMPTS):
        try:
            return _counted(manifest)
        except (OSError, pa.ArrowInvalid):
            if attempt == _ATTEMPTS - 1:
                raise
    return None


def _counted(manifest: Manifest) -> TableCounts | None:
    clips, sources = manifest.parted_clips(), manifest.parted_sources()
    if clips.schema is None or sources.schema is None:
        return None
    statuses: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for batch in sources.batches(["status", "reason"]):
        statuses.update(batch["status"].to_pylist())
        troubled = batch.filter(pc.is_in(batch["status"], value_set=pa.array(["failed", "damaged"])))
        failures.update(slug(reason or "unknown") for reason in troubled["reason"].to_pylist())
    kept = sum(pc.sum(pc.equal(batch["status"], "kept")).as_py() or 0 for batch in clips.batches(["status"]))
    return TableCounts(
        sources=dict(statuses.most_common()),
        failures=dict(failures.most_common()),
        clips_found=clips.num_rows,
        clips_kept=kept,
    )


def _as_object(found: Status) -> dict[str, Any]:
    """The fields, and of the run what follows from them."""
    if found.run is None:
        return asdict(found)
    derived = ("share_done", "video_seconds_all", "times_real_time", "seconds_left")
    return asdict(found) | {"run": asdict(found.run) | {name: getattr(found.run, name) for name in derived}}


def _lines(found: Status) -> list[str]:
    lines = [] if found.run is None else [_state(found.run, found), *_progress(found.run, alive=not found.seems_dead)]
    if found.parts:
        lines.append(f"{found.parts:,} finished units that are not in the tables yet")
    if found.tables is not None:
        tables = found.tables
        statuses = ", ".join(f"{count:,} {status}" for status, count in tables.sources.items())
        lines.append(f"tables: {statuses or 'no'} sources; {tables.clips_found:,} clips, {tables.clips_kept:,} kept")
        if tables.failures:
            lines.append(f"failed or damaged: {_reasons(tables.failures)}")
        if again := sum(count for reason, count in tables.failures.items() if reason in UNSETTLED):
            lines.append(f"{again:,} of these could not be read, and the same command tries them again")
    if found.run is None:
        lines.append(f"finished at {found.finished}" if found.finished else "begun and not finished")
    return lines


def _state(run: RunStatus, found: Status) -> str:
    name = f"{run.command} {run.subject}" if run.subject else run.command
    place = f"process {run.process} on {run.host}"
    if found.seems_dead:
        return (
            f"{name}: killed, or cut off from here: {place} last said {_ago(found.silent_seconds)} ago that it runs. "
            "The same command goes on"
        )
    if run.state == "running":
        return (
            f"{name}: running ({run.phase}) since {_minute(run.began)}, {place}, heard {_ago(found.silent_seconds)} ago"
        )
    if run.state == "finished":
        return f"{name}: finished at {_minute(run.beat)}, begun at {_minute(run.began)}, {place}"
    why = f": {run.reason}" if run.reason else ""
    return f"{name}: {run.state} at {_minute(run.beat)}{why}; the same command goes on"


def _progress(run: RunStatus, *, alive: bool) -> list[str]:
    lines = []
    if run.files_all is not None:
        lines.append(f"{run.files_all:,} files, {run.files_waiting:,} of them still to do when it began")
    if run.share_done is not None:
        said = [f"{run.share_done:.0%}: {run.units_done:,} of {run.units_all:,} units"]
        if run.bytes_all:
            said.append(f"{size_text(run.bytes_done)} of {size_text(run.bytes_all)}")
        if run.video_seconds_done and run.video_seconds_all:
            all_of_it = hours_text(run.video_seconds_all / 3600)
            said.append(f"{hours_text(run.video_seconds_done / 3600)} of about {all_of_it} of video")
            said.append(f"{run.times_real_time or 0:.1f} x real time")
        if alive and run.phase == "working" and run.seconds_left is not None:
            said.append(f"about {hours_text(run.seconds_left / 3600)} left")
        lines.append(", ".join(said))
    if run.clips_found:
        lines.append(f"{run.clips_found:,} clips found, {run.clips_kept:,} kept")
    if run.clips_left_out:
        lines.append(f"{run.clips_left_out:,} clips left out")
    if run.failures:
        lines.append(f"failed: {_reasons(run.failures)}")
    return lines


def _reasons(failures: Any) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(failures.items(), key=lambda item: -item[1]))


def _ago(seconds: float) -> str:
    return hours_text(seconds / 3600)


def _minute(time: str) -> str:
    """In the time zone of who looks."""
    return datetime.datetime.fromisoformat(time).astimezone().isoformat(sep=" ", timespec="minutes")
