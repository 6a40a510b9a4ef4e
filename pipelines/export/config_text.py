"""Config files and tables as text. Captions and paths may hold anything: nothing is written but by these."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from shlex import quote
from typing import Any

from preprocess.io.config_files import toml_of as toml_of


def json_of(value: Any) -> str:
    """As indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """One JSON object a line. Only line feeds part lines: of those that Python knows besides, none is left as it is."""
    return "".join(f"{_one_line(json.dumps(row, ensure_ascii=False, allow_nan=False))}\n" for row in rows)


def yaml_of(tree: Mapping[str, Any]) -> str:
    """As YAML, in the order of the tree."""
    import yaml  # Ray brings it along

    return str(yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True, width=1000))


def command(*words: object, **options: object) -> str:
    """A line of a shell: the words, then `--name value` of each option; True is an option without a value."""
    given = [str(word) for word in words]
    for name, value in options.items():
        given += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return " ".join(quote(word) for word in given)


def _one_line(text: str) -> str:
    for mark in "\x85\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text
