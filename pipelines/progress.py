"""What a run says while it goes on and when it ends: a bar on a terminal, plain lines elsewhere, a table at the end."""

from __future__ import annotations

import logging
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import rich.progress
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.heartbeat import Heartbeat
from pipelines.log_lines import log_event, log_is_json
from pipelines.run_status import RunStatus
from preprocess.errors import slug
from preprocess.io import storage
from preprocess.io.tables import PartedTable
from preprocess.kinds import PICTURE
from preprocess.listing import Listing
from preprocess.manifest import Manifest
from preprocess.units import PlannedUnits

if TYPE_CHECKING:  # a summary of a table must not load what decodes
    from pipelines.clips.stages import UnitSummary

LINE_SECONDS = 10.0
"""Where there is no terminal, at most one line in this time."""


class Progress:
    """Shows the units that are finished, and has the heartbeat count them."""

    def __init__(self, units: PlannedUnits, listing: Listing, heartbeat: Heartbeat) -> None:
        self.began = time.monotonic()
        self._heartbeat = heartbeat
        self._waiting = units.num_sources
        self._last_line = 0.0
        self._units = len(units)
        self._num_bytes = units.num_bytes
        self._console = Console(stderr=True)
        self._bar = _bar(self._console) if self._console.is_terminal and not log_is_json() else None
        self._task: rich.progress.TaskID | None = None
        self._listing = listing

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Say what there is to do. Within the `with`: who stops the run from here on is told how it resumes."""
        units, files = self._units, len(self._listing.sources)
        total = self._num_bytes
        self._heartbeat.begin(units_all=units, bytes_all=total, files_all=files, files_waiting=self._waiting)
        waiting = f", {units} units of work" if units else ", nothing left to do"
        text = f"{files} files{self._listing.passed_over}{waiting}"
        self._say("begin", text, files=files, passed_over=self._listing.ignored, units=units, bytes=total)
        if self._bar is not None and units:
            self._bar.start()
            self._task = self._bar.add_task("curate", total=total, units=f"0/{units}", clips="0/0", speed="")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is not None:
            done, units = self._heartbeat.status.units_done, self._units
            # who is interrupted is told by the command line, as in every other state
            resume = "" if issubclass(kind, KeyboardInterrupt) else "; run the same command again to resume"
            self._say("stopped", f"stopped with {done} of {units} units done{resume}", units_done=done, units=units)

    @property
    def source_seconds(self) -> float:
        """Video done."""
        return self._heartbeat.status.video_seconds_done

    def add(self, summary: UnitSummary) -> None:
        """Count a finished unit."""
        self._heartbeat.add(summary, num_bytes=summary.source_bytes)
        for uri, reason in summary.failed_sources.items():
            self._say("source_failed", f"{uri!r}: {reason}", level=logging.WARNING, uri=uri, reason=reason)
        for clip_id, reason in summary.left_out.items():
            self._say("clip_left_out", f"clip {clip_id}: {reason}", level=logging.WARNING, clip=clip_id, reason=reason)
        status = self._heartbeat.status
        elapsed = time.monotonic() - self.began
        speed = f"{status.video_seconds_done / elapsed:.1f}x"
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                advance=summary.source_bytes,
                units=f"{status.units_done}/{status.units_all}",
                clips=f"{status.clips_kept}/{status.clips_found}",
                speed=speed,
            )
        elif status.units_done == status.units_all or elapsed - self._last_line >= LINE_SECONDS:
            self._last_line = elapsed
            self._line(status, speed, elapsed)

    def _line(self, status: RunStatus, speed: str, elapsed: float) -> None:
        units, kept = f"{status.units_done}/{status.units_all} units", f"{status.clips_kept} of {status.clips_found}"
        names = (
            "units_done",
            "units_all",
            "bytes_done",
            "bytes_all",
            "video_seconds_done",
            "clips_found",
            "clips_kept",
        )
        self._say(
            "progress",
            f"{units}, {kept} clips kept, {speed} real time, {elapsed:.0f} s",
            **{name: getattr(status, name) for name in names},
            seconds_left=status.seconds_left,
        )

    def _say(self, event: str, text: str, *, level: int = logging.INFO, **fields: Any) -> None:
        if log_is_json():
            log_event(event, text, level=level, **fields)
        else:
            self._console.print(escape(text), highlight=False, soft_wrap=True)


def print_summary(manifest: Manifest) -> None:
    """Hours in, clips found and kept, what each rule took away, and where it all is."""
    clips, sources = manifest.parted_clips(), manifest.parted_sources()
    if clips.schema is None or sources.schema is None:
        raise ValueError(f"{manifest.location!r}: no manifest there")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right", style="bold")
    table.add_column()
    for number, label in _numbers(clips, sources):
        table.add_row(number, escape(label))
    console = Console()
    console.print(table)
    for name in ("clips", "sources", "report.html"):
        console.print(escape(storage.join(manifest.location, name)), highlight=False, soft_wrap=True)


def _numbers(clips: PartedTable, sources: PartedTable) -> list[tuple[str, str]]:
    statuses: Counter[str] = Counter()
    whys: dict[str, Counter[str]] = {"failed": Counter(), "damaged": Counter(), "duplicate": Counter()}
    hours = 0.0
    for batch in sources.batches(["status", "duration_seconds", "reason"]):
        statuses.update(batch["status"].to_pylist())
        for status in ("failed", "damaged"):
            reasons = batch["reason"].filter(pc.equal(batch["status"], status)).to_pylist()
            whys[status].update(map(slug, reasons))
        used = batch.filter(pc.is_in(batch["status"], value_set=pa.array(["ok", "damaged"])))
        hours += (pc.sum(used["duration_seconds"]).as_py() or 0.0) / 3600
    kept, kept_seconds, pictures = 0, 0.0, 0
    firsts: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for batch in clips.batches(["status", "duration_seconds", "reasons", "caption_outcome", "kind"]):
        of_kept = batch.filter(pc.equal(batch["status"], "kept"))
        kept += of_kept.num_rows
        kept_seconds += pc.sum(of_kept["duration_seconds"]).as_py() or 0.0
        outcomes.update(of_kept["caption_outcome"].drop_null().to_pylist())
        if "kind" in batch.column_names:  # tables of before there were pictures have none
            pictures += pc.sum(pc.equal(batch["kind"], PICTURE)).as_py() or 0
        reasons = batch["reasons"].filter(pc.greater(pc.list_value_length(batch["reasons"]), 0))
        counts = pc.value_counts(pc.list_element(reasons, 0)).to_pylist()
        firsts.update({count["values"]: count["counts"] for count in counts})
    videos = statuses["ok"] + statuses["damaged"] - pictures
    rows = (
        [(hours_text(hours), f"of video in {videos:,} source{'s' * (videos != 1)}")] if videos or not pictures else []
    )
    rows += [(f"{pictures:,}", f"picture{'s' * (pictures != 1)}")] if pictures else []
    rows.append((f"{clips.num_rows:,}", "clips found"))
    rows += [(f"-{count:,}", reason) for reason, count in sorted(firsts.items(), key=lambda item: (-item[1], item[0]))]
    rows.append((f"{kept:,}", f"clips kept, {hours_text(kept_seconds / 3600)}"))
    rows += [(f"{count:,}", f"captions {name}") for name, count in outcomes.most_common() if set(outcomes) != {"ok"}]
    for status, why in whys.items():
        if status in statuses:
            listed = ", ".join(f"{count:,} {reason}" for reason, count in why.most_common())
            rows.append((f"{statuses[status]:,}", f"sources {status}{f': {listed}' if listed else ''}"))
    return rows


def hours_text(hours: float) -> str:
    """Such as `3.2 h`, `12.1 min` or `7 s`."""
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.0f} s"


def size_text(num_bytes: float) -> str:
    """Such as `3.2 GB` or `12 MB`."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}" if num_bytes < 1000 * size else f"{num_bytes / size:,.0f} {unit}"
    return f"{num_bytes / 1e3:.0f} kB"


def _bar(console: Console) -> rich.progress.Progress:
    columns: list[Any] = [
        rich.progress.BarColumn(),
        rich.progress.TextColumn("{task.fields[units]} units"),
        rich.progress.TextColumn("{task.fields[clips]} clips kept"),
        rich.progress.TextColumn("{task.fields[speed]} real time"),
        rich.progress.TimeRemainingColumn(),
    ]
    return rich.progress.Progress(*columns, console=console)
