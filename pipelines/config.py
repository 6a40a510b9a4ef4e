"""A recipe is a dataclass, made by a function in `recipes.py` and changed by `--set key=value`."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args, get_type_hints

from captioners.base import Captioner
from filters.base import Scorer
from filters.rules import Range
from preprocess.manifest import CLIP_FIELDS, Columns
from preprocess.observe import ClipLengths
from preprocess.shots import ShotConfig

Setting = str | int | float | bool | None
Settings = dict[str, Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """Everything that decides what ends up in a manifest."""

    name: str
    shots: ShotConfig
    clips: ClipLengths
    scorers: tuple[Scorer, ...]
    rules: tuple[Range, ...]
    captioner: Captioner
    span_seconds: float = 300.0
    """A longer video is divided into spans of about this length, which workers take one by one. Its clips end there."""

    def __post_init__(self) -> None:
        names = [scorer.name for scorer in self.scorers]
        if len(set(names)) != len(names):
            raise ValueError(f"recipe {self.name}: a scorer is named twice in {names}")
        if self.span_seconds < 60:
            raise ValueError(f"span_seconds is {self.span_seconds}, must be at least 60")
        for rule in self.rules:
            _check_column(rule.column, self.rule_columns)

    @property
    def columns(self) -> Columns:
        """The scorers' manifest columns, in the recipe's order."""
        return {column: kind for scorer in self.scorers for column, kind in scorer.columns.items()}

    @property
    def rule_columns(self) -> list[str]:
        """Columns that hold a number, so that a rule can be put on them."""
        structural = [name for name, kind in CLIP_FIELDS if str(kind) in ("double", "int32", "int64")]
        return structural + [name for name, kind in self.columns.items() if kind is not str]

    @property
    def cheap_rules(self) -> tuple[Range, ...]:
        """Rules that can be applied before a model runs."""
        costly = {column for scorer in self.scorers if scorer.costly for column in scorer.columns}
        return tuple(rule for rule in self.rules if rule.column not in costly)


def settings(config: CurateConfig) -> Settings:
    """The recipe as flat keys, such as `rules.motion.min`: what `--set` takes and what run.json keeps."""
    flat: Settings = {"name": config.name, "span_seconds": config.span_seconds}
    flat |= _fields("shots", config.shots) | _fields("clips", config.clips)
    for scorer in config.scorers:
        flat |= {f"scorers.{scorer.name}": True} | _fields(f"scorers.{scorer.name}", scorer)
    for rule in config.rules:
        flat |= {f"rules.{rule.column}.min": rule.min, f"rules.{rule.column}.max": rule.max}
    return flat | {"captioner": config.captioner.name} | _fields("captioner", config.captioner)


def fingerprint(flat: Settings) -> str:
    """12 hex digits that change whenever a setting does."""
    # 240 and 240.0 are the same bound
    plain = {key: float(value) if type(value) is int else value for key, value in flat.items()}
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=6).hexdigest()


def difference(old: Settings, new: Settings) -> list[str]:
    """One line for each setting that differs, such as `rules.motion.min: 1.0 -> 2.0`."""
    keys = [*old, *(key for key in new if key not in old)]
    return [
        f"{key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}"
        for key in keys
        if (key in old) != (key in new) or old.get(key) != new.get(key)
    ]


def override(config: CurateConfig, assignments: list[str]) -> CurateConfig:
    """Apply `key=value` strings, as given to `--set`, all at once.

    Raises:
        ValueError: no such key (its neighbours are named), or values of a wrong type or that do not go together.
    """
    changes: dict[tuple[str, str], dict[str, str]] = {}
    for assignment in assignments:
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ValueError(f"--set {assignment!r}: expected key=value, such as rules.motion.min=1.0")
        section, _, rest = key.partition(".")
        name, _, field = rest.rpartition(".")
        if not (section == "rules" and name and field in ("min", "max")):
            _check_key(config, key)
        changes.setdefault((section, name), {})[field or section] = value
    for (section, name), fields in changes.items():
        config = _changed(config, section, name, fields)
    return config


def _changed(config: CurateConfig, section: str, name: str, fields: Mapping[str, str]) -> CurateConfig:
    """`config` with several fields of one of its records set."""
    if section == "rules":
        _check_column(name, config.rule_columns)
        old = next((rule for rule in config.rules if rule.column == name), None)
        new = _replace(old or Range(column=name), fields, f"rules.{name}")
        rules = tuple(new if rule is old else rule for rule in config.rules) + ((new,) if old is None else ())
        return dataclasses.replace(config, rules=rules)
    if section == "scorers":
        prefix = f"scorers.{name}"
        scorers = tuple(_replace(s, fields, prefix) if s.name == name else s for s in config.scorers)
        return dataclasses.replace(config, scorers=scorers)
    if section in fields:
        return cast(CurateConfig, _replace(config, fields, ""))
    return dataclasses.replace(config, **{section: _replace(getattr(config, section), fields, section)})


def _check_key(config: CurateConfig, key: str) -> None:
    fixed = {"name", "captioner", *(f"scorers.{scorer.name}" for scorer in config.scorers)}
    known = [name for name in settings(config) if name not in fixed]
    if key not in known:
        near = difflib.get_close_matches(key, known, n=3) or sorted(known)
        raise ValueError(f"--set {key}: no such setting in recipe {config.name}; did you mean {', '.join(near)}?")


def _replace(record: Any, fields: Mapping[str, str], prefix: str) -> Any:
    """`record` with fields set from texts, each parsed as the field's own type."""
    hints = get_type_hints(type(record))
    parsed = {field: _parsed(hints[field], text, f"{prefix}.{field}".lstrip(".")) for field, text in fields.items()}
    return dataclasses.replace(record, **parsed)


def _parsed(hint: Any, text: str, key: str) -> Setting:
    allowed = get_args(hint) or (hint,)
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


def _fields(prefix: str, record: object) -> Settings:
    """The plain fields of a dataclass; a record that is none has no settings."""
    if not dataclasses.is_dataclass(record):
        return {}
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {f"{prefix}.{name}": value for name, value in values.items() if isinstance(value, Setting)}


def _check_column(column: str, known: list[str]) -> None:
    if column not in known:
        near = difflib.get_close_matches(column, known, n=3) or sorted(known)
        raise ValueError(f"rule on {column!r}: no such column in this recipe; did you mean {', '.join(near)}?")
