"""A config as a file that people keep in git: written as TOML, read from TOML or YAML."""

from __future__ import annotations

import inspect
import json
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from preprocess.io.meanings import meanings
from preprocess.io.names import class_named
from preprocess.io.trees import kept, load

Kind = TypeVar("Kind")
COMMENT_COLUMNS = 110
"""Of an explanation's lines."""


def as_toml(config: object, *, explained: bool = False) -> str:
    """A tree of records as TOML; None, which TOML lacks, is "none". `explained` says what each setting means."""
    return "\n".join(_table(kept(config), "", explained)) + "\n"


def toml_of(tree: Mapping[str, Any]) -> str:
    """The plain tree of a config, as run.json keeps it, in TOML."""
    return "\n".join(_table(tree, "", False)) + "\n"


def read_config(path: Path, kind: type[Kind]) -> Kind:
    """The config in a file: `as_toml`'s, or the same in YAML.

    Raises:
        ValueError: there is no such file, it is of another kind, or something in it is wrong; the message says where.
    """
    try:
        return load(_parsed(path), kind)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: {error.strerror if isinstance(error, OSError) else error}") from error


def _parsed(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix == ".toml":
        return tomllib.loads(path.read_text(encoding="utf-8"))
    if suffix in (".yaml", ".yml"):
        import yaml  # Ray brings it along

        try:
            return yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error
    raise ValueError(f"a config's name ends in .toml, .yaml or .yml, not in {suffix!r}")


def _table(tree: Mapping[str, Any], path: str, explained: bool) -> Iterator[str]:
    """Plain values first: what follows a header belongs to it."""
    kind = class_named(tree["type"]) if explained and "type" in tree else None
    meaning: Mapping[str, str] = {} if kind is None else meanings(kind)
    tables = {name: value for name, value in tree.items() if isinstance(value, Mapping) or _holds_tables(value)}
    if kind is not None:
        yield from _comment(inspect.getdoc(kind))
    for name, value in tree.items():
        if name not in tables:
            yield from _comment(meaning.get(name))
            yield f"{_key(name)} = {_value(value)}"
    for name, value in tables.items():
        inner = f"{path}.{_key(name)}" if path else _key(name)
        header = f"[{inner}]" if isinstance(value, Mapping) else f"[[{inner}]]"
        for each in [value] if isinstance(value, Mapping) else value:
            yield from ("", *_comment(meaning.get(name)), header, *_table(each, inner, explained))


def _comment(text: str | None) -> Iterator[str]:
    plain = " ".join((text or "").partition("\n\n")[0].split())
    yield from (f"# {line}" for line in textwrap.wrap(plain, COMMENT_COLUMNS))


def _holds_tables(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, Mapping) for each in value)


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)  # JSON's NaN and Infinity are nan and inf here
    text = json.dumps("none" if value is None else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
