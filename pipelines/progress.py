"""What a run says while it goes on and when it ends: a bar on a terminal, plain lines elsewhere, a table at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import rich.progress
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from preprocess.io import storage
from preprocess.io.tables import PartedTable
from preprocess.manifest import Manifest
from preprocess.sources import Listing
from preprocess.units import WorkUnit

if TYPE_CHECKING:  # a summary of a table must not load what decodes
    from pipelines.clips.stages import UnitSummary

LINE_SECONDS = 10.0
"""Where there is no terminal, at most one line in this time."""


class Progress:
    """Counts finished units and shows it."""

    def __init__(self, units: Sequence[WorkUnit], listing: Listing) -> None:
        self.began = time.monotonic()
        self.source_seconds = 0.0
        self._units = len(units)
        self._done = 0
        self._clips = 0
        self._kept = 0
        self._last_line = 0.0
        self._bytes = {unit.unit_id: _unit_bytes(unit) for unit in units}
        self._console = Console(stderr=True)
        self._bar = _bar(self._console) if self._console.is_terminal else None
        self._task: rich.progress.TaskID | None = None
        self._listing = listing

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Say what there is to do. Within the `with`: who stops the run from here on is told how it resumes."""
        waiting = f", {self._units} units of work" if self._units else ", nothing left to do"
        ignored = ", ".join(f"{count} {suffix}" for suffix, count in self._listing.ignored.items())
        self._say(f"{len(self._listing.sources)} files{f' ({ignored} passed over)' if ignored else ''}{waiting}")
        if self._bar is not None and self._units:
            self._bar.start()
            total = sum(self._bytes.values())
            self._task = self._bar.add_task("curate", total=total, units=f"0/{self._units}", clips="0/0", speed="")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is not None:
            self._say(f"stopped with {self._done} of {self._units} units done; run the same command again to resume")

    def add(self, summary: UnitSummary) -> None:
        """Count a finished unit."""
        self._done += 1
        self._clips += summary.clips
        self._kept += summary.kept
        self.source_seconds += summary.source_seconds
        for uri, reason in summary.failed_sources.items():
            self._say(f"{uri!r}: {reason}")
        for clip_id, reason in summary.left_out.items():
            self._say(f"clip {clip_id}: {reason}")
        elapsed = time.monotonic() - self.began
        speed = f"{self.source_seconds / elapsed:.1f}x"
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                advance=self._bytes[summary.unit_id],
                units=f"{self._done}/{self._units}",
                clips=f"{self._kept}/{self._clips}",
                speed=speed,
            )
        elif self._done == self._units or elapsed - self._last_line >= LINE_SECONDS:
            self._last_line = elapsed
            self._say(
                f"{self._done}/{self._units} units, {self._kept} of {self._clips} clips kept, {speed} real time, "
                f"{elapsed:.0f} s"
            )

    def _say(self, line: str) -> None:
        self._console.print(escape(line), highlight=False, soft_wrap=True)


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
    hours = 0.0
    for batch in sources.batches(["status", "duration_seconds"]):
        statuses.update(batch["status"].to_pylist())
        used = batch.filter(pc.is_in(batch["status"], value_set=pa.array(["ok", "damaged"])))
        hours += (pc.sum(used["duration_seconds"]).as_py() or 0.0) / 3600
    kept, kept_seconds = 0, 0.0
    firsts: Counter[str] = Counter()
    for batch in clips.batches(["status", "duration_seconds", "reasons"]):
        of_kept = batch.filter(pc.equal(batch["status"], "kept"))
        kept += of_kept.num_rows
        kept_seconds += pc.sum(of_kept["duration_seconds"]).as_py() or 0.0
        reasons = batch["reasons"].filter(pc.greater(pc.list_value_length(batch["reasons"]), 0))
        counts = pc.value_counts(pc.list_element(reasons, 0)).to_pylist()
        firsts.update({count["values"]: count["counts"] for count in counts})
    rows = [
        (_hours(hours), f"of video in {statuses['ok'] + statuses['damaged']} sources"),
        (f"{clips.num_rows:,}", "clips found"),
    ]
    rows += [(f"-{count:,}", reason) for reason, count in sorted(firsts.items(), key=lambda item: (-item[1], item[0]))]
    rows.append((f"{kept:,}", f"clips kept, {_hours(kept_seconds / 3600)}"))
    for status in ("failed", "damaged", "duplicate"):
        if status in statuses:
            rows.append((str(statuses[status]), f"sources {status}"))
    return rows


def _hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.0f} s"


def _unit_bytes(unit: WorkUnit) -> int:
    return sum(span.source.size_bytes // span.count for span in unit.spans)


def _bar(console: Console) -> rich.progress.Progress:
    columns: list[Any] = [
        rich.progress.BarColumn(),
        rich.progress.TextColumn("{task.fields[units]} units"),
        rich.progress.TextColumn("{task.fields[clips]} clips kept"),
        rich.progress.TextColumn("{task.fields[speed]} real time"),
        rich.progress.TimeRemainingColumn(),
    ]
    return rich.progress.Progress(*columns, console=console)
