"""The text below a field is its meaning, and stands above the setting in TOML that is explained."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from preprocess.io.config_files import as_toml, read_config
from preprocess.io.meanings import meanings


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """What light goes through.

    And more of it.
    """

    width: int = 4
    """Of the glass,
    in millimetres."""
    bare: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoom(Lens):
    """A lens that moves."""

    reach: float = 2.0
    """How far."""
    others: Mapping[str, Lens] = field(default_factory=lambda: {"a": Lens()})
    """A text with a # and a "quote" = [1]\\n that is long enough to be told on more than one line, as are some."""


def test_fields_have_the_text_below_them_also_those_of_a_base() -> None:
    told = meanings(Zoom)
    assert told["width"] == "Of the glass, in millimetres."
    assert told["reach"] == "How far."
    assert "bare" not in told
    assert meanings(type("Made", (), {})) == {}


def test_explained_toml_is_the_same_config(tmp_path) -> None:
    zoom = Zoom(reach=0.1 + 0.2, others={"b": Lens(width=9)})
    text = as_toml(zoom, explained=True)
    assert tomllib.loads(text) == tomllib.loads(as_toml(zoom))
    (tmp_path / "zoom.toml").write_text(text)
    assert read_config(tmp_path / "zoom.toml", Zoom) == zoom
    lines = text.splitlines()
    assert lines[lines.index("width = 4") - 1] == "# Of the glass, in millimetres."
    assert lines[0] == "# A lens that moves."
    assert "# What light goes through." in lines
    assert "And more of it" not in text
