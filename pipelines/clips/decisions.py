"""Which rules count when: what is known of a clip first, then cheap columns, then those of models. What one step
rejects, no later one looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.rules import Mask, Range, listed
from pipelines.recipe.config import CurateConfig
from pipelines.verdicts import DROP, DROPPED, KEEP, VERDICT, said_of
from preprocess.kinds import PICTURE
from preprocess.manifest import Row
from preprocess.measurement import Step


def rules_of(config: CurateConfig, step: int) -> tuple[Range, ...]:
    """The rules on columns that this step fills."""
    return _rules_by_step(config)[step]


def _rules_by_step(config: CurateConfig) -> list[tuple[Range, ...]]:
    steps = {column: scorer.step for scorer in config.scorers for column in scorer.columns}
    return [
        tuple(rule for rule in config.rules if steps.get(rule.column, Step.KNOWN) == step) for step in range(len(Step))
    ]


def reasons_against(config: CurateConfig, table: pa.Table, *, before: int = len(Step)) -> pa.ListArray:
    """The reasons against each of N clips; an empty list keeps it. Of the steps `before`, the first one that speaks
    against a clip decides, since later ones have not looked at it. Of the columns, those of `ruled_columns` count.

    A picture is passed over by rules on what only a video has: it has no motion that somebody could have measured.
    What somebody has said by hand to keep, rules do not speak against; what somebody has dropped is dropped."""
    rules = _rules_by_step(config)
    timed, videos, ruled = config.timed_columns, ~_pictures(table), ~said_of(table, KEEP)
    found: list[tuple[str, Mask]] = []
    passing = np.ones(table.num_rows, np.bool_)
    for step in range(before):
        masks = [
            (reason, mask & ruled & videos if rule.column in timed else mask & ruled)
            for rule in rules[step]
            for reason, mask in rule.broken(table)
        ]
        if step == Step.KNOWN:
            damaged = table["damaged"].fill_null(False).to_numpy()
            masks = [(DROPPED, said_of(table, DROP)), ("damaged", damaged), *masks]
        masks = [(reason, mask & passing) for reason, mask in masks if mask.any()]
        for _, mask in masks:
            passing = passing & ~mask
        found += masks
    return listed(found, table.num_rows)


def passing(config: CurateConfig, table: pa.Table, *, before: int = len(Step)) -> Mask:
    """Which of N clips no rule speaks against, of the steps `before`."""
    reasons = reasons_against(config, table, before=before)
    return np.asarray(reasons.value_lengths().to_numpy() == 0)


def _pictures(table: pa.Table) -> Mask:
    """Which rows are of pictures; none in manifests of before, nor where the column holds something else."""
    if "kind" not in table.column_names or not pa.types.is_string(table.schema.field("kind").type):
        return np.zeros(table.num_rows, np.bool_)
    return np.asarray(pc.equal(table["kind"], PICTURE).fill_null(False).to_numpy())


def ruled_columns(config: CurateConfig) -> list[str]:
    """The columns that decide."""
    return ["damaged", "kind", VERDICT, *dict.fromkeys(rule.column for rule in config.rules)]


def broken_rules(config: CurateConfig, row: Mapping[str, Any], *, before: int = len(Step)) -> list[str]:
    """`reasons_against` a clip on its way."""
    table = pa.table({name: [row.get(name)] for name in ruled_columns(config)})
    reasons: list[str] = reasons_against(config, table, before=before)[0].as_py()
    return reasons


def decide(config: CurateConfig, row: Row) -> None:
    """Fill `status` and `reasons` from the other columns."""
    broken = broken_rules(config, row)
    row |= {"status": "rejected" if broken else "kept", "reasons": broken}
