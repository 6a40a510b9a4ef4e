"""How long to wait before asking a server again: as long as it says, or else longer each time."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 20.0
"""A server that comes back is noticed within this time."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


def backoff_seconds(tries: int) -> float:
    """Doubles with each of the `tries` before; a random half of it spreads out requests that failed together."""
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(tries, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it


def told_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """What the headers of a refusal ask for: `retry-after` in either form, or the limits that are used up."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after")
    seconds = _number(after)
    if seconds is None and after is not None:
        seconds = _until(after, now)
    return reset_seconds(headers) if seconds is None else seconds


def reset_seconds(headers: Mapping[str, str]) -> float | None:
    """Time until requests or tokens are to be had again, by `x-ratelimit-*`; None while some of both are left."""
    used_up = (what for what in ("requests", "tokens") if _number(headers.get(f"x-ratelimit-remaining-{what}")) == 0)
    waits = (_duration(headers.get(f"x-ratelimit-reset-{what}")) for what in used_up)
    return max((wait for wait in waits if wait is not None), default=None)


def _number(value: str | None) -> float | None:
    """A finite number of at least 0; headers hold anything."""
    try:
        number = float(value or "nan")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _until(date: str, now: datetime) -> float | None:
    """Seconds from now to an HTTP date."""
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def _duration(value: str | None) -> float | None:
    """`6m0s`, `120ms`, or a bare number of seconds."""
    text = (value or "").strip()
    if _DURATION.sub("", text) or not text:
        return _number(text)
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
