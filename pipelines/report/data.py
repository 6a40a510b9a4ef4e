"""Turn the manifest's tables into the one JSON-able dict that the report page draws: no HTML here, no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipelines.report.columns import (
    bounds,
    durations,
    finite,
    numbers,
    reason_lists,
    score_columns,
    shorten,
    statuses,
    texts,
)
from pipelines.report.gallery import TEXT_CHARACTERS, gallery
from pipelines.report.histograms import histogram

MOST_REASONS = 24
"""Steps of the waterfall; decoders invent messages without end, and the rarest go into one step, `other_reasons`."""
OTHER_REASONS = "other_reasons"
MOST_SOURCES = 300
"""Rows of the table of sources that gave nothing."""


def report_data(
    clips: pd.DataFrame, sources: pd.DataFrame, previews: Mapping[str, bytes], run: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything the page shows, in the types of JSON (no NaN), of bounded size whatever the tables' length.

    `clips` and `sources` are the manifest's tables, either may be empty or lack columns; `previews` maps a clip id of
    `gallery_clip_ids` to the JPEG bytes of a strip of its frames; every key of `run` is optional.
    """
    ruled = bounds(run)
    kept = statuses(clips) == "kept"
    return {
        "run": _plain(run),
        "totals": _totals(clips, sources, run),
        "reasons": _waterfall(clips, list(ruled)),
        "histograms": [
            histogram(name, numbers(clips, name), kept, ruled.get(name, (None, None)))
            for name in score_columns(clips, ruled)
        ],
        "clips": gallery(clips, previews, ruled),
        "sources": _troubled_sources(sources),
        "codecs": Counter(codec for codec in texts(sources, "codec") if codec).most_common(8),
    }


def _totals(clips: pd.DataFrame, sources: pd.DataFrame, run: Mapping[str, Any]) -> dict[str, Any]:
    status, seconds = statuses(clips), durations(clips)
    source_status = Counter(texts(sources, "status"))
    run_seconds = finite(run.get("source_seconds"))
    of_sources = numbers(sources, "duration_seconds")[np.array(texts(sources, "status"), dtype=object) == "ok"]
    return {
        "clips": len(clips),
        **{name: int((status == name).sum()) for name in ("kept", "rejected", "failed")},
        "kept_seconds": float(seconds[status == "kept"].sum()),
        "clip_seconds": float(seconds.sum()),
        "kept_median_seconds": finite(np.median(seconds[status == "kept"])) if (status == "kept").any() else None,
        "source_seconds": float(of_sources[np.isfinite(of_sources)].sum()) if run_seconds is None else run_seconds,
        "sources": len(sources),
        **{f"sources_{name}": source_status[name] for name in ("ok", "failed", "duplicate")},
    }


def _waterfall(clips: pd.DataFrame, ruled: list[str]) -> list[dict[str, Any]]:
    """Steps from all clips down to the kept ones: `first` counts sum to the clips that are not kept.

    A clip falls at its first reason; `total` also counts the clips that an earlier reason had already taken. Steps
    come in the order of the recipe's rules, the rest by how much they take.
    """
    first: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    total: Counter[str] = Counter()
    by_status: Counter[tuple[str, str]] = Counter()
    lists = reason_lists(clips)
    common = {
        reason for reason, _ in Counter(reason for listed in lists for reason in listed).most_common(MOST_REASONS)
    }
    for status, length, listed in zip(statuses(clips), durations(clips), lists, strict=True):
        if not listed:
            continue
        names = list(dict.fromkeys(reason if reason in common else OTHER_REASONS for reason in listed))
        first[names[0]] += 1
        seconds[names[0]] += length
        total.update(names)
        by_status.update((name, str(status)) for name in names)

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


def _troubled_sources(sources: pd.DataFrame) -> list[dict[str, Any]]:
    """The sources that gave no clips of their own, failed ones first, at most `MOST_SOURCES`."""
    status = texts(sources, "status")
    rows = [row for row, value in enumerate(status) if value != "ok"]
    uris = texts(sources, "uri")
    rows = sorted(rows, key=lambda row: (status[row] == "duplicate", uris[row] or ""))[:MOST_SOURCES]
    shown = sources.iloc[rows]
    columns = {name: texts(shown, name) for name in ("uri", "status", "reason", "container", "codec")}
    sizes = numbers(shown, "size_bytes")
    return [
        {name: shorten(column[i], TEXT_CHARACTERS) for name, column in columns.items()} | {"bytes": finite(sizes[i])}
        for i in range(len(rows))
    ]


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
