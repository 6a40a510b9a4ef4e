"""A training recipe as flat keys such as `trainer.steps` or `data.sampler.token_budget`, and set by them."""

from __future__ import annotations

import dataclasses
import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from preprocess.io.settings import Setting, Settings, plain_fields, replace_fields
from training.run.config import TrainConfig

_NETWORKS = "training.models."
"""Where the classes of networks are, and beside each the record that it is built from."""

logger = logging.getLogger(__name__)


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


def restored(config: TrainConfig, kept: Settings) -> TrainConfig:
    """The recipe with the settings that a run kept, which an older version of the code may have written.

    A setting that is no longer known is left out, with a warning; one that came later has the recipe's value. Those of
    networks say what their weights mean: none may be left out, and one that came later has its class's default.

    Raises:
        ValueError: a network's setting is no longer known, or came later without a default; or a value is refused.
    """
    now, networks = settings(config), _network_defaults(config)
    gone, came = sorted(kept.keys() - now.keys()), sorted(networks.keys() - kept.keys())
    records = {key.rpartition(".")[0] for key in networks}
    unclear = [key for key in gone if key.rpartition(".")[0] in records]
    unclear += [key for key in came if not isinstance(networks[key], Setting)]
    if unclear:
        raise ValueError(f"its networks were made with other settings than there are now: {', '.join(unclear)}")
    if gone:
        _warn_once(f"{config.out}: settings that are no longer known are left out: {', '.join(gone)}")
    wanted = {key: networks[key] for key in came} | {key: kept[key] for key in now.keys() & kept.keys()}
    assignments = [
        f"{key}={'none' if value is None else value}"
        for key, value in sorted(wanted.items())
        if key not in ("name", "out") and now[key] != value
    ]
    return override(config, assignments)


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


@cache
def _warn_once(message: str) -> None:
    """A command asks for a run's recipe several times."""
    logger.warning(message)


def _network_defaults(config: TrainConfig) -> dict[str, Any]:
    """The settings that say how networks are built, each with its class's default or `dataclasses.MISSING`."""
    records = [each for each in _records(config) if type(each[1]).__module__.startswith(_NETWORKS)]
    return {
        key: type(record).__dataclass_fields__[key.rpartition(".")[2]].default
        for prefix, record in records
        for key in plain_fields(prefix, record)
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
