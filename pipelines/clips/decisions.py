"""Which rules count when: cheap columns first, then those of models, so that a rejected clip never reaches a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from captioners.base import Caption, Captioner, ClipToDescribe
from captioners.judge.checks import issues
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


def describe(captioner: Captioner, clips: list[ClipToDescribe]) -> list[Row]:
    """The caption columns of clips."""
    return [
        _caption_columns(captioner, clip.row, caption)
        for clip, caption in zip(clips, captioner.caption(clips), strict=True)
    ]


def no_caption() -> Row:
    """The caption columns of a clip that nobody described."""
    return dict.fromkeys(("caption", "caption_short", "captioner", "caption_outcome", "prompt_id", "caption_issues"))


def error_caption(captioner: Captioner, reason: str) -> Row:
    """The caption columns of a clip that its captioner could not be asked about."""
    return _caption_columns(captioner, {}, Caption(text=None, outcome="error", detail=reason))


def _caption_columns(captioner: Captioner, row: Mapping[str, Any], caption: Caption) -> Row:
    return {
        "caption": caption.text,
        "caption_short": caption.short,
        "captioner": captioner.name,
        "caption_outcome": caption.outcome,
        "prompt_id": captioner.prompt_id,
        "caption_issues": _issues(row, caption),
    }


def _issues(row: Mapping[str, Any], caption: Caption) -> list[str]:
    """What the measurements say against the caption; for a clip without one, why there is none, where that is known."""
    if caption.text is not None:
        return issues(caption.text, row)
    return [] if caption.detail is None else [caption.detail]
