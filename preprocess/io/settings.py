"""The plain fields of a record as texts that can be set: what `--set key=value` is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast, get_args, get_type_hints

OPERATIONAL = {"operational": True}
"""Metadata of a field that changes how a run goes, not what comes out, so that it is not in the fingerprint:
`concurrency: int = field(default=16, metadata=OPERATIONAL)`."""

Setting = str | int | float | bool | None
Settings = dict[str, Setting]


def plain_fields(prefix: str, record: object) -> Settings:
    """The plain fields of a dataclass, keyed `prefix.field`; a record that is none has no settings."""
    if not dataclasses.is_dataclass(record):
        return {}
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {f"{prefix}.{name}".lstrip("."): value for name, value in values.items() if isinstance(value, Setting)}


def replace_fields(record: Any, fields: Mapping[str, str], prefix: str) -> Any:
    """`record` with fields set from texts, each parsed as the field's own type.

    Raises:
        ValueError: a text is no value of its field, or the record refuses the values together.
    """
    hints = get_type_hints(type(record))
    parsed = {field: _parsed(hints[field], text, f"{prefix}.{field}".lstrip(".")) for field, text in fields.items()}
    return dataclasses.replace(record, **parsed)


def _parsed(hint: Any, text: str, key: str) -> Setting:
    allowed = get_args(hint) or (hint,)
    if text in allowed:  # one of a few words
        return text
    if text.lower() in ("none", "null") and type(None) in allowed:
        return None
    if bool in allowed and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float, str):
        if kind in allowed:
            try:
                return cast(Setting, kind(text))
            except ValueError:
                continue
    names = " or ".join(getattr(kind, "__name__", str(kind)).replace("NoneType", "none") for kind in allowed)
    raise ValueError(f"--set {key}={text}: expected {names}")
