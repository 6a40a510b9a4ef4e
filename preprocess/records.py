"""How a record that holds pixels prints: their type and shape. A failing test or a log would drown in the rest."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

LISTED = 3
"""Members of a sequence that are shown; of longer ones the first, and how many there are."""


def shapes_repr(record: Any) -> str:
    """`__repr__` of a dataclass, such as `Picture(y=uint8 (540, 960), cb=uint8 (270, 480), ...)`."""
    members = (f"{field.name}={_shown(getattr(record, field.name))}" for field in fields(record))
    return f"{type(record).__name__}({', '.join(members)})"


def _shown(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):  # numpy's and torch's
        return f"{value.dtype} {tuple(value.shape)}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, tuple | list):
        if len(value) > LISTED:
            return f"[{_shown(value[0])}, ... {len(value)} in all]"
        return f"[{', '.join(_shown(member) for member in value)}]"
    return repr(value)
