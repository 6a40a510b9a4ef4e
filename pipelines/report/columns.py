"""Read manifest tables defensively: a column may be absent, all null or of any dtype, and its text is a stranger's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from filters.rules import numbers_of
from preprocess.clip import CLIP_COLUMNS
from preprocess.kinds import PICTURE
from preprocess.schema import CAPTION_COLUMNS, DECISION_COLUMNS

STRUCTURAL = frozenset(
    (
        *(column.name for column in CLIP_COLUMNS if column.name != "duration_seconds"),
        *("crop_left", "crop_top", "crop_right", "crop_bottom"),
        *("logo_left", "logo_top", "logo_right", "logo_bottom"),
        *(column.name for column in (*CAPTION_COLUMNS, *DECISION_COLUMNS)),
    )
)
"""Columns that say which clip a row is and what became of it; they are scores only where a rule names them."""
NO_REASON = "no_reason_given"
"""Stands for the reason of a clip that is not kept and says nothing, so that every such clip has a first reason."""
REASON_CHARACTERS = 200
"""A decoder's message can run to pages; a label cannot."""
LONGEST_SECONDS = 1e12
"""What claims to be longer, some thirty thousand years, counts as so long."""


def texts(frame: pd.DataFrame, name: str) -> list[str | None]:
    """The column as strings, None where null; all None where the column is absent."""
    return [None if value is None else str(value) for value in values(frame, name)]


def values(frame: pd.DataFrame, name: str) -> list[Any]:
    """The column's values, None for every kind of null; all None where the column is absent."""
    if name not in frame:
        return [None] * len(frame)
    column = frame[name].astype(object)
    filled: list[Any] = column.where(column.notna(), None).tolist()
    return filled


def numbers(frame: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """The column as float64 (N,), NaN where null, absent or not a number."""
    if name not in frame:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def measured(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """The column as rules see it, float64 (N,): a boolean is 0 or 1, and what is absent, null or no number is NaN."""
    return numbers_of(table, name).astype(np.float64)


def durations(clips: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Seconds each clip plays, (N,): its own column, else the span's length, else 0; a picture, none."""
    with np.errstate(over="ignore", invalid="ignore"):  # Infinities, which are no lengths.
        span = numbers(clips, "end_seconds") - numbers(clips, "start_seconds")
    own = numbers(clips, "duration_seconds")
    if "kind" in clips:
        span[[kind == PICTURE for kind in texts(clips, "kind")]] = 0
    return lengths(np.where(np.isfinite(own), own, span))


def lengths(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The seconds (N,), 0 where they are no length of time, and never so many that their sum were infinite."""
    return np.clip(np.where(np.isfinite(seconds), seconds, 0.0), -LONGEST_SECONDS, LONGEST_SECONDS)


def statuses(clips: pd.DataFrame) -> npt.NDArray[np.str_]:
    """`kept`, `failed` or `rejected` a clip, (N,); a status nobody knows does not count as kept."""
    shown_statuses = ("kept", "failed")
    return np.array(
        [value if value in shown_statuses else "rejected" for value in texts(clips, "status")], dtype=np.str_
    )


def reason_lists(clips: pd.DataFrame) -> list[list[str]]:
    """Why each clip is not kept, each reason once and in order; empty for kept clips, never empty for others."""
    reasons = []
    for status, raw in zip(statuses(clips), values(clips, "reasons"), strict=True):
        listed = [raw] if isinstance(raw, str) else raw if isinstance(raw, Iterable) else []
        given = [str(reason)[:REASON_CHARACTERS] for reason in listed if reason is not None]
        distinct = list(dict.fromkeys(filter(None, given)))
        reasons.append([] if status == "kept" else distinct or [NO_REASON])
    return reasons


def bounds(run: Mapping[str, Any]) -> dict[str, tuple[float | None, float | None]]:
    """Column -> (min, max) of the recipe's rules, in their order; several rules on one column: the tightest ends."""
    recipe = run.get("recipe")
    rules = recipe.get("rules") if isinstance(recipe, Mapping) else None
    ends: dict[str, tuple[float | None, float | None]] = {}
    for rule in rules or ():
        column = str(rule["column"])
        low, high = ends.get(column, (None, None))
        lows = [end for end in (low, finite(rule.get("min"))) if end is not None]
        highs = [end for end in (high, finite(rule.get("max"))) if end is not None]
        ends[column] = (max(lows, default=None), min(highs, default=None))
    return ends


def text_column(table: pa.Table, name: str) -> pa.Array:
    """The column as strings (N,), null where it is null or absent; what has no text of its own has Python's."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    column = table[name].combine_chunks()
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # bytes that are no UTF-8, a list
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())


def score_columns(schema: pa.Schema, ruled: Iterable[str]) -> list[str]:
    """Columns worth a histogram: those with a rule, in the rules' order, then the other numeric ones in the table's."""
    first = list(ruled)
    numeric = [field.name for field in schema if _is_numeric(field.type)]
    return first + [name for name in numeric if name not in STRUCTURAL and name not in first]


def finite(value: object) -> float | None:
    """A number fit for JSON, or None: NaN and infinities have no JSON form."""
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    return None


def shorten(text: str | None, characters: int) -> str | None:
    """The text, ended by an ellipsis where it is longer than `characters`."""
    return text if text is None or len(text) <= characters else text[: characters - 1] + "…"


def _is_numeric(kind: pa.DataType) -> bool:
    # a column of nulls alone may be any
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))
