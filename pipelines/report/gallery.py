"""What the page says of each clip that it shows."""

from __future__ import annotations

import base64
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
    shorten,
    statuses,
    texts,
    values,
)
from preprocess.kinds import PICTURE

TEXT_CHARACTERS = 1200
"""A caption is at most a paragraph or two; a file name of the longest kind (255 bytes, in folders) fits whole."""
FACTS = ("codec", "has_audio", "damaged", "captioner", "caption_outcome", "caption_short", "caption_issues")
"""Of the structural columns, those that the page shows as they are."""
PREVIEW_BYTES = 64_000
"""A strip of three 160 px frames is 5-15 KB; what is far larger is not one, and would make the page heavy."""


def gallery(shown: pd.DataFrame, previews: Mapping[str, bytes], scored: Iterable[str]) -> list[dict[str, Any]]:
    """One JSON-able record for each row of the clips that the page shows; `scored` are the columns with a histogram."""
    ids = [str(clip_id) for clip_id in values(shown, "clip_id")]
    reasons = reason_lists(shown)
    scores = {name: numbers(shown, name) for name in scored}
    facts = {str(name): values(shown, str(name)) for name in shown.columns if name not in STRUCTURAL | scores.keys()}
    facts |= {name: values(shown, name) for name in FACTS}
    facts["size"] = [
        f"{width:.0f}x{height:.0f}" if width * height > 0 else None
        for width, height in zip(numbers(shown, "width"), numbers(shown, "height"), strict=True)
    ]
    starts, lengths, status = numbers(shown, "start_seconds"), durations(shown), statuses(shown)
    kinds, uris, captions = (texts(shown, name) for name in ("kind", "source_uri", "caption"))
    return [
        {
            "id": clip_id,
            "uri": shorten(uris[i], TEXT_CHARACTERS),
            "start": None if kinds[i] == PICTURE else finite(starts[i]),
            "seconds": finite(lengths[i]),
            "status": str(status[i]),
            "reasons": reasons[i][:20],
            "caption": shorten(captions[i], TEXT_CHARACTERS),
            "scores": {name: finite(column[i]) for name, column in scores.items()},
            "facts": {name: text for name, column in facts.items() if (text := _fact(column[i])) is not None},
            "preview": _data_url(previews.get(clip_id)),
        }
        for i, clip_id in enumerate(ids)
    ]


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
