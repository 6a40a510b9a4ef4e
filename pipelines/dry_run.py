"""What a `decide` would change, in clips and hours, a rule at a time and in all. Reads only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.clips.decisions import ruled_columns
from pipelines.decide import asked_config, ruled
from pipelines.dedup.settle import DUPLICATE_COLUMNS, settling
from pipelines.progress import hours_text
from pipelines.recipe.bounds import Bounds
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.recorded import load, recorded_config
from pipelines.terminal import shown
from pipelines.verdicts import Waiting
from preprocess.manifest import Manifest


@dataclass(slots=True)
class Amount:
    """So many clips, and how long they play together."""

    clips: int = 0
    seconds: float = 0.0

    def add(self, clips: int, seconds: float) -> None:
        """More of them."""
        self.clips += int(clips)
        self.seconds += float(seconds)


@dataclass(slots=True)
class Moved:
    """An amount before and after."""

    before: Amount = field(default_factory=Amount)
    after: Amount = field(default_factory=Amount)


@dataclass(slots=True, kw_only=True)
class Change:
    """What a table of clips says now, and would say."""

    bounds: dict[str, tuple[str, str]]
    """By column: the bounds now and then, such as `0.1 to 60.0`."""
    clips: Amount = field(default_factory=Amount)
    kept: Moved = field(default_factory=Moved)
    lost: Amount = field(default_factory=Amount)
    """Kept now, and would be rejected."""
    won: Amount = field(default_factory=Amount)
    """Rejected now, and would be kept."""
    rules: dict[str, Moved] = field(default_factory=dict)
    """By column: the clips that a rule on it is among the reasons against. One clip may break several."""


def dry_run(out: str, *, recipe: str | None, assignments: Sequence[str]) -> Change:
    """What `decide` with these arguments would change in the manifest at `out`, which may be in use.

    Raises:
        ValueError: as `decide`.
    """
    manifest = Manifest(out)
    run = manifest.run_to_be() or load(manifest)
    own = recorded_config(run)
    return changes(manifest, own, asked_config(manifest, run, own, recipe, assignments))


def changes(manifest: Manifest, own: CurateConfig, config: CurateConfig) -> Change:
    """What would change if `config` decided in the stead of the manifest's `own` recipe."""
    change = Change(bounds=_bounds(own, config))
    waiting, table = Waiting.at(manifest.location), manifest.parted_clips()
    settle = settling(manifest, config, waiting.put_into, reads=Waiting.READS)
    columns = [*ruled_columns(config), *Waiting.READS, "status", "reasons", "duration_seconds"]
    columns += [each.name for each in DUPLICATE_COLUMNS if table.schema and each.name in table.schema.names]
    for clips in table.batches([*dict.fromkeys(columns)]):
        seconds = np.asarray(clips["duration_seconds"].fill_null(0.0).to_numpy(), np.float64)
        seconds = np.where(np.isfinite(seconds), seconds, 0.0)
        reasons = settle(ruled(config, waiting.put_into(clips)))["reasons"].combine_chunks()
        kept = np.asarray(pc.fill_null(pc.equal(clips["status"], "kept"), False).to_numpy(), np.bool_)
        stays = np.asarray(reasons.value_lengths().to_numpy() == 0, np.bool_)
        change.clips.add(clips.num_rows, seconds.sum())
        for amount, which in (
            (change.kept.before, kept),
            (change.kept.after, stays),
            (change.lost, kept & ~stays),
            (change.won, ~kept & stays),
        ):
            amount.add(which.sum(), seconds[which].sum())
        for name, count, length in _by_rule(clips["reasons"].combine_chunks(), seconds):
            change.rules.setdefault(name, Moved()).before.add(count, length)
        for name, count, length in _by_rule(reasons, seconds):
            change.rules.setdefault(name, Moved()).after.add(count, length)
    return change


def print_change(change: Change, *, as_json: bool) -> None:
    """For people, or as one JSON object."""
    if as_json:
        print(json.dumps(asdict(change)))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("rejects", "clips now", "then", "", "hours now", "then"):
        table.add_column(name, justify="left" if name == "rejects" else "right")
    for name, moved in change.rules.items():
        table.add_row(escape(shown(name)), *_cells(moved))
    table.add_row("kept", *_cells(change.kept), style="bold")
    console = Console(soft_wrap=True)
    for name, (now, then) in change.bounds.items():
        if now != then:
            console.print(escape(f"{shown(name)}: {now} -> {then}"), highlight=False)
    console.print(table)
    for amount, what in ((change.lost, "kept clips would be rejected"), (change.won, "rejected clips would be kept")):
        console.print(f"{amount.clips:,} {what}, {hours_text(amount.seconds / 3600)}", highlight=False)
    console.print("nothing is changed: --dry-run", highlight=False)


def _cells(moved: Moved) -> Sequence[str]:
    before, after = moved.before, moved.after
    step = f"{after.clips - before.clips:+,}" if after.clips != before.clips else ""
    hours = [hours_text(amount.seconds / 3600) for amount in (before, after)]
    return f"{before.clips:,}", f"{after.clips:,}", step, *hours


def _bounds(own: CurateConfig, config: CurateConfig) -> dict[str, tuple[str, str]]:
    was, now = Bounds.of(own).ends(), Bounds.of(config).ends()
    columns = dict.fromkeys(column for column, _ in (*was, *now))
    return {column: (_range(was, column), _range(now, column)) for column in columns}


def _range(ends: dict[tuple[str, str], float | None], column: str) -> str:
    low, high = ends.get((column, "min")), ends.get((column, "max"))
    if low is None:
        return "any" if high is None else f"up to {high}"
    return f"from {low}" if high is None else f"{low} to {high}"


def _by_rule(reasons: Any, seconds: npt.NDArray[np.float64]) -> list[tuple[str, int, float]]:
    """Clips and seconds by the column of a reason, of lists (N,) of reasons."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(reasons), 0).to_numpy(zero_copy_only=False), np.int64)
    coded = pc.list_flatten(reasons).dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    texts = [str(text).partition(":")[0] for text in coded.dictionary.to_pylist()]
    if not texts:
        return []
    names = [*dict.fromkeys(texts)]
    numbers = np.array([names.index(text) for text in texts], np.int64)
    of_rule = numbers[np.asarray(coded.indices.fill_null(0).to_numpy(zero_copy_only=False), np.int64)]
    counts = np.bincount(of_rule, minlength=len(names)).tolist()
    sums = np.bincount(of_rule, np.repeat(seconds, lengths), len(names)).tolist()
    return list(zip(names, counts, sums, strict=True))
