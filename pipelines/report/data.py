"""Turn the manifest's tables into the one JSON-able dict that the report page draws: no HTML here, no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pipelines.report.columns import REASON_CHARACTERS, bounds, finite, measured, shorten, text_column
from pipelines.report.histograms import Histogram
from pipelines.report.rows import TEXT_CHARACTERS, page_rows
from pipelines.report.sources import SourceTally
from pipelines.report.tally import STATUSES, Rows, Tally, kept_of

MOST_REASONS = 24
"""Steps of the waterfall; decoders invent messages without end, and the rarest go into one step, `other_reasons`."""
OTHER_REASONS = "other_reasons"


def report_data(
    clips: Rows,
    sources: Rows,
    previews: Callable[[list[str]], Mapping[str, bytes]],
    run: Mapping[str, Any],
    out: str | None = None,
    film: Callable[[str], str | None] = lambda uri: None,
) -> dict[str, Any]:
    """Everything the page shows, in the types of JSON (no NaN), of bounded size whatever the tables' length.

    `clips` and `sources` are the manifest's tables, either may be empty or lack columns; `previews` gives, for clip
    ids, the JPEG bytes of strips of their frames; every key of `run` is optional; `out` is where the manifest is;
    `film` gives the address of a source that a browser on this machine may play.
    """
    ruled = bounds(run)
    tally = Tally(clips, list(ruled))
    rows, fair = tally.page_rows()
    of_sources = SourceTally(sources, text_column(rows, "source_uri").to_pylist())
    return {
        "out": out,
        "run": _plain({key: value for key, value in run.items() if key != "config"}),
        "totals": _totals(tally, of_sources, run),
        "reasons": _waterfall(tally, list(ruled)),
        "histograms": _histograms(clips, tally, ruled),
        "clips": page_rows(rows, fair, tally.scores, previews, tally.gallery_ids()),
        "sources": of_sources.troubled(),
        "shown_sources": [source | {"file": film(source["uri"])} for source in of_sources.shown()],
        "licenses": of_sources.licenses(),
        "codecs": of_sources.codecs.most_common(8),
        "failures": [[shorten(why, REASON_CHARACTERS), n] for why, n in of_sources.failures.most_common(8)],
    }


def _totals(tally: Tally, sources: SourceTally, run: Mapping[str, Any]) -> dict[str, Any]:
    clips: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for group, count in tally.clips.items():
        clips[group[0]] += count
        seconds[group[0]] += tally.seconds[group]
    kept_seconds = np.concatenate([np.zeros(0), *tally.kept_seconds])
    told = finite(run.get("source_seconds"))
    return {
        "clips": tally.num_rows,
        **{name: clips[name] for name in STATUSES},
        "kept_seconds": float(seconds["kept"]),
        "clip_seconds": float(sum(seconds.values())),
        "kept_median_seconds": finite(np.median(kept_seconds)) if len(kept_seconds) else None,
        "source_seconds": sources.seconds if told is None else told,
        "sources": sources.num_rows,
        **{f"sources_{name}": sources.statuses[name] for name in ("ok", "failed", "duplicate")},
    }


def _waterfall(tally: Tally, ruled: list[str]) -> list[dict[str, Any]]:
    """Steps from all clips down to the kept ones: `first` counts sum to the clips that are not kept.

    A clip falls at its first reason; `total` also counts the clips that an earlier reason had already taken. Steps
    come in the order of the recipe's rules, the rest by how much they take.
    """
    first: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    total: Counter[str] = Counter()
    by_status: Counter[tuple[str, str]] = Counter()
    common = {reason for reason, _ in tally.reasons.most_common(MOST_REASONS)}
    for (status, reasons), count in tally.clips.items():
        if not reasons:
            continue
        names = dict.fromkeys(reason if reason in common else OTHER_REASONS for reason in reasons)
        first[next(iter(names))] += count
        seconds[next(iter(names))] += tally.seconds[status, reasons]
        for name in names:
            total[name] += count
            by_status[name, status] += count

    def place(reason: str) -> tuple[bool, int, int, str]:
        column = reason.partition(":")[0]
        rule = ruled.index(column) if column in ruled else len(ruled)
        return reason == OTHER_REASONS, rule, -first[reason], reason

    return [
        {
            "reason": reason,
            "first": first[reason],
            "first_seconds": float(seconds[reason]),
            "total": total[reason],
            "rejected": by_status[reason, "rejected"],
            "failed": by_status[reason, "failed"],
        }
        for reason in sorted(total, key=place)
    ]


def _histograms(
    clips: Rows, tally: Tally, ruled: Mapping[str, tuple[float | None, float | None]]
) -> list[dict[str, Any]]:
    """A second pass, now that the bins are known."""
    plots = [Histogram(name, tally.spreads[name], ruled.get(name, (None, None))) for name in tally.scores]
    if plots:
        for batch in clips.batches([*dict.fromkeys(("status", *tally.scores))]):
            kept = kept_of(batch)
            for plot in plots:
                plot.add(measured(batch, plot.name), kept)
    return [plot.data() | {"about": _about(clips, plot.name)} for plot in plots]


def _about(clips: Rows, name: str) -> list[str]:
    """Unit and meaning of a column, as the table has them; each may be ""."""
    place = -1 if clips.schema is None else clips.schema.get_field_index(name)
    said = {} if place < 0 or clips.schema is None else clips.schema.field(place).metadata or {}
    return [said.get(key, b"").decode("utf-8", "replace")[:REASON_CHARACTERS] for key in (b"unit", b"description")]


def _plain(value: Any) -> Any:
    """The same in the types of JSON; what has none becomes its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return shorten(value, TEXT_CHARACTERS)
    if isinstance(value, int | float | np.integer | np.floating):
        return int(value) if isinstance(value, int | np.integer) else finite(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
