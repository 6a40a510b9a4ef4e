"""Choose the clips that the page shows: a bounded, repeatable sample of what was kept and of each reason."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipelines.report.columns import (
    STRUCTURAL,
    durations,
    finite,
    numbers,
    reason_lists,
    score_columns,
    shorten,
    statuses,
    texts,
    values,
)

KEPT_CLIPS = 120
REASON_CLIPS = 30
REASONS_CLIPS = 240
"""All reasons together; with strips of about 8 KB the page stays below 4 MB."""
TEXT_CHARACTERS = 1200
"""A caption is at most a paragraph or two; a file name of the longest kind (255 bytes, in folders) fits whole."""
FACTS = ("codec", "has_audio", "damaged", "captioner", "caption_outcome", "caption_short", "caption_issues")
"""Of the structural columns, those that the page shows as they are."""
PREVIEW_BYTES = 64_000
"""A strip of three 160 px frames is 5-15 KB; what is far larger is not one, and would make the page heavy."""


def gallery_clip_ids(clips: pd.DataFrame) -> list[str]:
    """The ids of the clips that the page shows, sorted; at most `KEPT_CLIPS` + `REASONS_CLIPS`.

    Ids are hashes of content, so the smallest ones are a fair sample, and the same one on every run.
    """
    ids = _ids(clips)
    return [ids[row] for row in _sample(ids, reason_lists(clips))]


def gallery(clips: pd.DataFrame, previews: Mapping[str, bytes], ruled: Iterable[str]) -> list[dict[str, Any]]:
    """One JSON-able record a sampled clip, in the order of `gallery_clip_ids`."""
    reasons = reason_lists(clips)
    ids = _ids(clips)
    rows = _sample(ids, reasons)
    shown = clips.iloc[rows]
    scores = {name: numbers(shown, name) for name in score_columns(clips, ruled)}
    facts = {str(name): values(shown, str(name)) for name in clips.columns if name not in STRUCTURAL | scores.keys()}
    facts |= {name: values(shown, name) for name in FACTS}
    facts["size"] = [
        f"{width:.0f}x{height:.0f}" if width * height > 0 else None
        for width, height in zip(numbers(shown, "width"), numbers(shown, "height"), strict=True)
    ]
    starts, lengths, status = numbers(shown, "start_seconds"), durations(shown), statuses(shown)
    uris, captions = texts(shown, "source_uri"), texts(shown, "caption")
    return [
        {
            "id": ids[row],
            "uri": shorten(uris[i], TEXT_CHARACTERS),
            "start": finite(starts[i]),
            "seconds": finite(lengths[i]),
            "status": str(status[i]),
            "reasons": reasons[row][:20],
            "caption": shorten(captions[i], TEXT_CHARACTERS),
            "scores": {name: finite(column[i]) for name, column in scores.items()},
            "facts": {name: text for name, column in facts.items() if (text := _fact(column[i])) is not None},
            "preview": _data_url(previews.get(ids[row])),
        }
        for i, row in enumerate(rows)
    ]


def _ids(clips: pd.DataFrame) -> list[str]:
    return [str(clip_id) for clip_id in values(clips, "clip_id")]


def _sample(ids: list[str], reasons: list[list[str]]) -> list[int]:
    """Row numbers of the sample, by clip id."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row in order:
        for reason in reasons[row]:
            rows_of[reason].append(row)
    common = sorted(rows_of, key=lambda reason: (-len(rows_of[reason]), reason))
    chosen: set[int] = set()
    # Round by round, so that each reason has its first clip before a common one has its thirtieth.
    for turn in range(REASON_CLIPS):
        for reason in common:
            if turn < len(rows_of[reason]) and len(chosen) < REASONS_CLIPS:
                chosen.add(rows_of[reason][turn])
    kept = [row for row in order if not reasons[row]][:KEPT_CLIPS]
    return sorted(chosen.union(kept), key=ids.__getitem__)


def _fact(value: object) -> str | None:
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return shorten(str(value), TEXT_CHARACTERS)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return None  # an embedding says nothing to a reader
    if isinstance(value, Iterable):
        return shorten(", ".join(str(item) for item in value), TEXT_CHARACTERS)
    return shorten(str(value), TEXT_CHARACTERS)


def _data_url(jpeg: bytes | None) -> str | None:
    if not jpeg or len(jpeg) > PREVIEW_BYTES:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
