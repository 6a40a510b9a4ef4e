"""Which rules count when: cheap columns first, then those of models, so that a rejected clip never reaches a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from filters.rules import Range, reasons
from pipelines.recipe.config import CurateConfig
from preprocess.manifest import Row
from preprocess.measurement import Step


def rules_of(config: CurateConfig, step: int) -> tuple[Range, ...]:
    """The rules on columns that this step fills."""
    steps = {column: scorer.step for scorer in config.scorers for column in scorer.columns}
    return tuple(rule for rule in config.rules if steps.get(rule.column, Step.FRAMES) == step)


def broken_rules(config: CurateConfig, row: Mapping[str, Any], *, before: int = len(Step)) -> list[str]:
    """The reasons against a clip; none keeps it. Of the steps `before`, the first one that speaks against it decides,
    since later ones have not looked at the clip."""
    for step in range(before):
        said = ["damaged"] if step == Step.FRAMES and row["damaged"] else []
        said += reasons(rules_of(config, step), row)
        if said:
            return said
    return []


def decide(config: CurateConfig, row: Row) -> None:
    """Fill `status` and `reasons` from the other columns."""
    broken = broken_rules(config, row)
    row |= {"status": "rejected" if broken else "kept", "reasons": broken}
