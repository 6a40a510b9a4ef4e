"""A training recipe as flat keys such as `trainer.steps` or `data.sampler.token_budget`, and set by them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from preprocess.settings import Settings, plain_fields, replace_fields
from training.config import TrainConfig


def settings(config: TrainConfig) -> Settings:
    """All plain fields of the recipe and of the records within it, at any depth."""
    return {key: value for prefix, record in _records(config) for key, value in plain_fields(prefix, record).items()}


def override(config: TrainConfig, assignments: Sequence[str]) -> TrainConfig:
    """Apply `key=value` strings, as given to `--set`, all at once.

    Raises:
        ValueError: no such key (its neighbours are named), or values of a wrong type or that do not go together.
    """
    known = sorted(set(settings(config)) - {"name"})
    changes: dict[str, dict[str, str]] = {}
    for assignment in assignments:
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ValueError(f"--set {assignment!r}: expected key=value, such as trainer.steps=1000")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3) or known
            raise ValueError(f"--set {key}: no such setting in recipe {config.name}; did you mean {', '.join(near)}?")
        prefix, _, field = key.rpartition(".")
        changes.setdefault(prefix, {})[field] = value
    for prefix, fields in changes.items():
        config = _changed(config, prefix.split(".") if prefix else [], fields, prefix)
    return config


def difference(before: Settings, config: TrainConfig) -> list[str]:
    """A line such as `trainer.steps: 10 -> 20` for each setting that differs and has a say in the result."""
    after, free = settings(config), operational(config)
    return [
        f"{key}: {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in dict.fromkeys((*before, *after))
        if key not in free and before.get(key) != after.get(key)
    ]


def operational(config: TrainConfig) -> set[str]:
    """The settings that change how a run goes, such as when it logs, but not what comes out."""
    return {"out"} | {
        f"{prefix}.{field.name}".lstrip(".")
        for prefix, record in _records(config)
        for field in dataclasses.fields(record)
        if field.metadata.get("operational")
    }


def _records(record: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The record and every record within it, each with the key that leads to it."""
    yield prefix, record
    for field in dataclasses.fields(record):
        yield from _within(getattr(record, field.name), f"{prefix}.{field.name}".lstrip("."))


def _within(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        yield from _records(value, prefix)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _within(inner, f"{prefix}.{name}")


def _changed(record: Any, path: Sequence[str], fields: Mapping[str, str], prefix: str) -> Any:
    if not path:
        return replace_fields(record, fields, prefix)
    first, rest = path[0], path[1:]
    if isinstance(record, Mapping):
        return {**record, first: _changed(record[first], rest, fields, prefix)}
    return dataclasses.replace(record, **{first: _changed(getattr(record, first), rest, fields, prefix)})
