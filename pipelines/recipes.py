"""Recipes: each a function that returns the whole configuration. Copy one, change a field, name it in `NAMES`.

Where the thresholds come from, and where ours cannot be compared with the paper's: docs/recipes.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace

from captioners.attributes import AttributesCaptioner
from filters.black_fraction import BlackFractionScorer
from filters.brightness import BrightnessScorer
from filters.colorfulness import ColorfulnessScorer
from filters.contrast import ContrastScorer
from filters.dominant_colors import DominantColorsScorer
from filters.freeze_fraction import FreezeFractionScorer
from filters.letterbox import LetterboxScorer
from filters.motion import MotionScorer
from filters.rules import Range
from filters.sharpness import SharpnessScorer
from filters.text_area import TextAreaScorer
from filters.visual_quality import VisualQualityScorer
from pipelines.config import CurateConfig
from preprocess.observe import ClipLengths
from preprocess.shots import ShotConfig


def default() -> CurateConfig:
    """A sensible set for a first look: no download, no torch, nothing that a laptop cannot do."""
    lengths = ClipLengths()
    return CurateConfig(
        name="default",
        shots=ShotConfig(),
        clips=lengths,
        scorers=(
            MotionScorer(),
            SharpnessScorer(),
            BrightnessScorer(),
            ContrastScorer(),
            ColorfulnessScorer(),
            VisualQualityScorer(),
            BlackFractionScorer(),
            FreezeFractionScorer(),
            LetterboxScorer(),
            DominantColorsScorer(),
            TextAreaScorer(),
        ),
        rules=(
            Range(column="duration_seconds", min=lengths.min_seconds, max=lengths.max_seconds),
            Range(column="short_side", min=240),
            Range(column="black_fraction", max=0.1),
            Range(column="freeze_fraction", max=0.3),
            Range(column="motion", min=0.5, max=60.0),
            Range(column="visual_quality", min=0.2),
            Range(column="text_area", max=0.02),
        ),
        captioner=AttributesCaptioner(),
    )


def easyanimate_pretrain() -> CurateConfig:
    """EasyAnimate's pretraining set (arXiv 2405.18991, Table 2): gentle motion, little text, any size from 512."""
    return _with_rules(
        default(), "easyanimate_pretrain", Range(column="short_side", min=512), Range(column="motion", min=0.5)
    )


def easyanimate_finetune() -> CurateConfig:
    """EasyAnimate's fine-tuning set (Table 2): 720 pixels and four times the motion."""
    return _with_rules(
        default(), "easyanimate_finetune", Range(column="short_side", min=720), Range(column="motion", min=2.0)
    )


NAMES: dict[str, Callable[[], CurateConfig]] = {
    "default": default,
    "easyanimate_pretrain": easyanimate_pretrain,
    "easyanimate_finetune": easyanimate_finetune,
}


def by_name(name: str) -> CurateConfig:
    """The recipe of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"no recipe {name!r}, there are {', '.join(NAMES)}{hint}")
    return NAMES[name]()


def _with_rules(config: CurateConfig, name: str, *rules: Range) -> CurateConfig:
    """The recipe under another name, its bounds replaced where `rules` names the same column."""
    changed = {rule.column: rule for rule in rules}
    return replace(config, name=name, rules=tuple(changed.get(rule.column, rule) for rule in config.rules))
