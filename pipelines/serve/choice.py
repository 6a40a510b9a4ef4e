"""What the reader has chosen, in the words of the page's address (`report/web/state.js` writes and reads the same)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

Ends = tuple[float | None, float | None]
"""Least and most; None for no bound."""
STATUSES = ("all", "kept", "rejected", "failed", "changed", "keep", "drop", "said")
MOST_FIELDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Of clips."""

    bounds: Mapping[str, Ends]
    """By column, those of the recipe that were not moved included."""
    words: tuple[str, ...] = ()
    """All of which a clip has, in lower case."""
    status: str = "all"
    reason: str = ""
    source: str = ""
    group: str = ""
    """Of `dedup`: `any`, `repeats` for those that another one stands for, or the name of one."""
    ranges: tuple[tuple[str, float | None, float | None], ...] = ()
    sort: str = ""
    up: bool = False

    @classmethod
    def of(cls, query: str, own: Mapping[str, Ends]) -> Choice:
        """From a query; `own` are the recipe's bounds.

        Raises:
            ValueError: it says what we do not understand.
        """
        said = parsed(query)
        bounds = dict(own)
        for text in said.get("bound", ()):
            column, *ends = _range(text)
            bounds[column] = (ends[0], ends[1])
        status = said.get("status", ["all"])[0]
        if status not in STATUSES:
            raise ValueError(f"status: expected one of {', '.join(STATUSES)}, not {status[:100]!r}")
        return cls(
            bounds=bounds,
            words=tuple(said.get("q", [""])[0].lower().split()),
            status=status,
            reason=said.get("reason", [""])[0],
            source=said.get("source", [""])[0],
            group=said.get("group", [""])[0],
            ranges=tuple(map(_range, said.get("where", ()))),
            sort=said.get("sort", [""])[0],
            up=said.get("up", [""])[0] == "1",
        )


def parsed(query: str) -> dict[str, list[str]]:
    """The fields of a query.

    Raises:
        ValueError: there are too many.
    """
    return parse_qs(query, keep_blank_values=True, max_num_fields=MOST_FIELDS)


def whole_number(said: Mapping[str, list[str]], name: str, most: int) -> int:
    """A field, 0 where it is not there.

    Raises:
        ValueError: it is no number from 0 to `most`.
    """
    text = said.get(name, ["0"])[0]
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) > most:
        raise ValueError(f"{name}: expected a whole number up to {most}, not {text[:100]!r}")
    return int(text)


def _range(text: str) -> tuple[str, float | None, float | None]:
    column, *ends = text.split("~")
    if len(ends) != 2:
        raise ValueError(f"expected COLUMN~LEAST~MOST, not {text[:100]!r}")
    return column, _number(ends[0]), _number(ends[1])


def _number(text: str) -> float | None:
    try:
        value = None if text == "" else float(text)
    except ValueError:
        raise ValueError(f"expected a number or nothing, not {text[:100]!r}") from None
    if value is not None and not math.isfinite(value):
        raise ValueError(f"expected a finite number, not {text[:100]!r}")
    return value
