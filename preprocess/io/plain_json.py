"""JSON that somebody else may have written: an object of plain values, or a sentence about what it is instead."""

from __future__ import annotations

import json
from typing import Any

MOST_BYTES = 16 << 20
"""Of a file that describes a run: ours are a few kB, and what is parsed takes up to fifty times its size in memory."""


def read_object(data: bytes, what: str) -> dict[str, Any]:
    """The object in `data`, whose texts can all be written as UTF-8.

    Raises:
        ValueError: there is none; the message begins with `what`.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"{what} has {len(data):,} bytes; more than {MOST_BYTES:,} are not read")
    try:
        read = json.loads(data, parse_constant=_constant)
        json.dumps(read, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(f"{what} is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError(f"{what} holds text that is not Unicode") from None
    except ValueError as error:  # no JSON, no UTF-8, or a number of ten thousand digits
        raise ValueError(f"{what} is no JSON: {str(error)[:200]}") from None
    if not isinstance(read, dict):
        raise ValueError(f"{what} holds a {type(read).__name__}, not an object")
    return read


def _constant(name: str) -> float:
    if name == "NaN":
        raise ValueError("it holds NaN, which is no number")
    return float(name.replace("Infinity", "inf"))
