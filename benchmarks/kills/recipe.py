"""The recipe of the torture: quick to measure, so that the time goes into kills."""

from __future__ import annotations

from dataclasses import replace

from filters.brightness import BrightnessScorer
from filters.motion import MotionScorer
from filters.rules import Range
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig


def quick() -> CurateConfig:
    """Two scorers, two rules, and spans of a minute."""
    return replace(
        recipes.default(),
        name="quick",
        scorers=(MotionScorer(), BrightnessScorer()),
        rules=(Range(column="duration_seconds", min=3.0), Range(column="motion", min=0.1)),
        span_seconds=60.0,
    )
