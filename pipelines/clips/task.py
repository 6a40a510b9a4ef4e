"""What is to be made of clips: everything in a recipe, one filter's columns, or captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from captioners.base import Captioner
from filters.base import Measurement, Scorer
from pipelines.clips.decisions import broken_rules
from pipelines.recipe.config import CurateConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Which columns to fill, and for which clips."""

    config: CurateConfig
    measurements: tuple[Measurement, ...]
    captions: bool
    gated: bool
    """Whether a clip that a rule speaks against goes no further; clips that were chosen before all go to the end."""

    @property
    def scorers(self) -> list[Scorer]:
        """Those that run where the video is decoded."""
        return [measurement for measurement in self.measurements if isinstance(measurement, Scorer)]

    @property
    def captioner(self) -> Captioner | None:
        """None where captions are not asked for."""
        return self.config.captioner if self.captions else None

    def passes(self, row: Mapping[str, Any], step: int) -> bool:
        """Whether a clip is shown to what runs in `step`."""
        return not self.gated or not broken_rules(self.config, row, before=step)


def whole(config: CurateConfig) -> Task:
    """All that a recipe measures and says."""
    return Task(config=config, measurements=config.scorers, captions=True, gated=True)
