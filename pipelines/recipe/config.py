"""A recipe is a dataclass, made by a function in `recipes.py` and changed by `--set key=value`."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from captioners.base import Captioner
from filters.base import EmbeddingScorer, Measurement
from filters.rules import Range
from filters.towers.tower import Tower
from preprocess.io.settings import Settings, plain_fields, replace_fields
from preprocess.manifest import CLIP_FIELDS, Columns
from preprocess.observe import ClipLengths
from preprocess.shots.detector import ShotConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """Everything that decides what ends up in a manifest."""

    name: str
    shots: ShotConfig
    clips: ClipLengths
    scorers: tuple[Measurement, ...]
    rules: tuple[Range, ...]
    captioner: Captioner
    towers: tuple[Tower, ...] = ()
    """The models that embed frames, which embedding scorers name."""
    span_seconds: float = 300.0
    """A longer video is divided into spans of about this length, which workers take one by one. Its clips end there."""

    def __post_init__(self) -> None:
        names = [scorer.name for scorer in self.scorers]
        columns = [column for scorer in self.scorers for column in scorer.columns]
        towers = [tower.name for tower in self.towers]
        for what, those in (("scorer", names), ("column", columns), ("tower", towers)):
            if len(set(those)) != len(those):
                raise ValueError(f"recipe {self.name}: a {what} is named twice in {those}")
        for scorer in self.scorers:
            if isinstance(scorer, EmbeddingScorer) and scorer.tower not in towers:
                raise ValueError(f"recipe {self.name}: {scorer.name} reads tower {scorer.tower!r}, there are {towers}")
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
        return structural + [name for name, kind in self.columns.items() if kind in (float, int)]


def settings(config: CurateConfig) -> Settings:
    """The recipe as flat keys, such as `rules.motion.min`: what `--set` takes and what run.json keeps."""
    flat: Settings = {"name": config.name, "span_seconds": config.span_seconds}
    flat |= plain_fields("shots", config.shots) | plain_fields("clips", config.clips)
    for tower in config.towers:
        flat |= plain_fields(f"towers.{tower.name}", tower)
    for scorer in config.scorers:
        flat |= {f"scorers.{scorer.name}": True} | plain_fields(f"scorers.{scorer.name}", scorer)
    for rule in config.rules:
        flat |= {f"rules.{rule.column}.min": rule.min, f"rules.{rule.column}.max": rule.max}
    return flat | {"captioner": config.captioner.name} | plain_fields("captioner", config.captioner)


def operational(config: CurateConfig) -> set[str]:
    """The settings that change how a run goes, such as a batch size or a server's address, but not what comes out."""
    records: dict[str, object] = {"captioner": config.captioner} | {
        f"towers.{tower.name}": tower for tower in config.towers
    }
    records |= {f"scorers.{scorer.name}": scorer for scorer in config.scorers}
    return {
        f"{prefix}.{field.name}"
        for prefix, record in records.items()
        if dataclasses.is_dataclass(record)
        for field in dataclasses.fields(record)
        if field.metadata.get("operational")
    }


def fingerprint(config: CurateConfig) -> str:
    """12 hex digits that change whenever a setting does that has a say in what comes out."""
    flat, without = settings(config), operational(config)
    # 240 and 240.0 are the same bound, and a rule without ends is none
    told = {key: value for key, value in flat.items() if key not in without and value is not None}
    plain = {key: float(value) if type(value) is int else value for key, value in told.items()}
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=6).hexdigest()


def difference(old: CurateConfig, new: CurateConfig) -> list[str]:
    """A line such as `rules.motion.min: 1.0 -> 2.0` for each setting that differs and has a say in what comes out."""
    before, after = settings(old), settings(new)
    free = operational(old) | operational(new)
    return [
        f"{key}: {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in dict.fromkeys((*before, *after))
        if key not in free and before.get(key) != after.get(key)
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
        new = replace_fields(old or Range(column=name), fields, f"rules.{name}")
        rules = tuple(new if rule is old else rule for rule in config.rules) + ((new,) if old is None else ())
        return dataclasses.replace(config, rules=rules)
    if section == "scorers":
        prefix = f"scorers.{name}"
        scorers = tuple(replace_fields(s, fields, prefix) if s.name == name else s for s in config.scorers)
        return dataclasses.replace(config, scorers=scorers)
    if section == "towers":
        towers = tuple(replace_fields(t, fields, f"towers.{name}") if t.name == name else t for t in config.towers)
        return dataclasses.replace(config, towers=towers)
    if section in fields:
        return cast(CurateConfig, replace_fields(config, fields, ""))
    return dataclasses.replace(config, **{section: replace_fields(getattr(config, section), fields, section)})


def _check_key(config: CurateConfig, key: str) -> None:
    fixed = {"name", "captioner", *(f"scorers.{scorer.name}" for scorer in config.scorers)}
    fixed |= {f"towers.{tower.name}.name" for tower in config.towers}
    known = [name for name in settings(config) if name not in fixed]
    if key not in known:
        near = difflib.get_close_matches(key, known, n=3) or sorted(known)
        raise ValueError(f"--set {key}: no such setting in recipe {config.name}; did you mean {', '.join(near)}?")


def _check_column(column: str, known: list[str]) -> None:
    if column not in known:
        near = difflib.get_close_matches(column, known, n=3) or sorted(known)
        raise ValueError(f"rule on {column!r}: no such column in this recipe; did you mean {', '.join(near)}?")
