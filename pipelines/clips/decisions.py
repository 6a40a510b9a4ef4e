"""Which rules count when: cheap columns first, then those of models, so that a rejected clip never reaches a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from filters.rules import Mask, Range, listed
from pipelines.recipe.config import CurateConfig
from preprocess.manifest import Row
from preprocess.measurement import Step


def rules_of(config: CurateConfig, step: int) -> tuple[Range, ...]:
    """The rules on columns that this step fills."""
    return _rules_by_step(config)[step]


def _rules_by_step(config: CurateConfig) -> list[tuple[Range, ...]]:
    steps = {column: scorer.step for scorer in config.scorers for column in scorer.columns}
    return [
        tuple(rule for rule in config.rules if steps.get(rule.column, Step.FRAMES) == step) for step in range(len(Step))
    ]


def reasons_against(config: CurateConfig, table: pa.Table, *, before: int = len(Step)) -> pa.ListArray:
    """The reasons against each of N clips; an empty list keeps it. Of the steps `before`, the first one that speaks
    against a clip decides, since later ones have not looked at it. Of the columns, those of `ruled_columns` count."""
    rules = _rules_by_step(config)
    found: list[tuple[str, Mask]] = []
    passing = np.ones(table.num_rows, np.bool_)
    for step in range(before):
        masks = [mask for rule in rules[step] for mask in rule.broken(table)]
        if step == Step.FRAMES:
            masks.insert(0, ("damaged", table["damaged"].fill_null(False).to_numpy()))
        masks = [(reason, mask & passing) for reason, mask in masks if mask.any()]
        for _, mask in masks:
            passing = passing & ~mask
        found += masks
    return listed(found, table.num_rows)


def passing(config: CurateConfig, table: pa.Table, *, before: int = len(Step)) -> Mask:
    """Which of N clips no rule speaks against, of the steps `before`."""
    reasons = reasons_against(config, table, before=before)
    return np.asarray(reasons.value_lengths().to_numpy() == 0)


def ruled_columns(config: CurateConfig) -> list[str]:
    """The columns that decide."""
    return ["damaged", *dict.fromkeys(rule.column for rule in config.rules)]


def broken_rules(config: CurateConfig, row: Mapping[str, Any], *, before: int = len(Step)) -> list[str]:
    """`reasons_against` a clip on its way."""
    table = pa.table({name: [row.get(name)] for name in ruled_columns(config)})
    reasons: list[str] = reasons_against(config, table, before=before)[0].as_py()
    return reasons


def decide(config: CurateConfig, row: Row) -> None:
    """Fill `status` and `reasons` from the other columns."""
    broken = broken_rules(config, row)
    row |= {"status": "rejected" if broken else "kept", "reasons": broken}
