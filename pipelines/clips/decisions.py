"""Which rules count when: cheap columns first, then those of models, so that a rejected clip never reaches a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from filters.base import BatchScorer, EmbeddingScorer, Measurement, Scorer
from filters.rules import Range, reasons
from pipelines.recipe.config import CurateConfig
from preprocess.manifest import Row

FRAMES, COSTLY, BATCHED, EMBEDDED, CAPTIONED = range(5)
"""The steps of a clip. Its columns are filled in this order, and rules count from the step that fills their column."""


def step_of(measurement: Measurement) -> int:
    """The step in which a measurement is made."""
    if isinstance(measurement, Scorer):
        return COSTLY if measurement.costly else FRAMES
    if isinstance(measurement, BatchScorer):
        return BATCHED
    assert isinstance(measurement, EmbeddingScorer), measurement
    return CAPTIONED if measurement.needs_caption else EMBEDDED


def rules_of(config: CurateConfig, step: int) -> tuple[Range, ...]:
    """The rules on columns that this step fills."""
    steps = {column: step_of(scorer) for scorer in config.scorers for column in scorer.columns}
    return tuple(rule for rule in config.rules if steps.get(rule.column, FRAMES) == step)


def broken_rules(config: CurateConfig, row: Mapping[str, Any], *, before: int = CAPTIONED + 1) -> list[str]:
    """The reasons against a clip; none keeps it. Of the steps `before`, the first one that speaks against it decides,
    since later ones have not looked at the clip."""
    for step in range(before):
        said = ["damaged"] if step == FRAMES and row["damaged"] else []
        said += reasons(rules_of(config, step), row)
        if said:
            return said
    return []


def decide(config: CurateConfig, row: Row) -> None:
    """Fill `status` and `reasons` from the other columns."""
    broken = broken_rules(config, row)
    row |= {"status": "rejected" if broken else "kept", "reasons": broken}
