"""The bounds of a recipe apart from all that measures: what `decide` moves, and run.json remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from filters.rules import Range
from pipelines.recipe.config import CurateConfig
from preprocess.io import trees

Ends = dict[tuple[str, str], float | None]
"""By column and `min` or `max`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a recipe decides by."""

    name: str
    """Of the recipe."""
    rules: tuple[Range, ...]

    @classmethod
    def of(cls, config: CurateConfig) -> Bounds:
        """Those of a recipe."""
        return cls(name=config.name, rules=config.rules)

    @classmethod
    def loaded(cls, said: object) -> Bounds | None:
        """What `kept` made; None for anything else, which a stranger may have left there."""
        if not isinstance(said, Mapping) or not isinstance(said.get("name"), str):
            return None
        rules = said.get("rules")
        if not isinstance(rules, list):
            return None
        try:
            return cls(name=said["name"], rules=tuple(trees.load(rule, Range) for rule in rules))
        except (ValueError, TypeError):
            return None

    def kept(self) -> dict[str, Any]:
        """As run.json holds it."""
        return {"name": self.name, "rules": [trees.kept(rule) for rule in self.rules]}

    def ends(self) -> Ends:
        """The bounds that there are, one by one."""
        ends = {(rule.column, end): getattr(rule, end) for rule in self.rules for end in ("min", "max")}
        return {key: value for key, value in ends.items() if value is not None}
