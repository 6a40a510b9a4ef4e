"""What is to be made of clips: everything in a recipe, one filter's columns, or captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from filters.towers.reading import readings
from pipelines.clips.decisions import broken_rules
from pipelines.recipe.config import CurateConfig
from preprocess.manifest import Row
from preprocess.measurement import Measurement, Step


@dataclass(frozen=True, kw_only=True)
class Task:
    """Which columns to fill, and for which clips."""

    config: CurateConfig
    measurements: tuple[Measurement, ...]
    captions: bool
    gated: bool
    """Whether a clip that a rule speaks against goes no further; clips that were chosen before all go to the end."""
    answers: Mapping[str, Row] = field(default_factory=dict)
    """Caption columns, by clip id, of clips that the captioner has described in a run that had to stop."""

    @cached_property
    def at_once(self) -> list[Measurement]:
        """Those that have their scores where the video is decoded."""
        return [measurement for measurement in self.measurements if measurement.step <= Step.COSTLY]

    @cached_property
    def models(self) -> list[Measurement]:
        """Those that follow, in the order of their steps; what reads a caption comes after the captioner."""
        alone = [each for each in self.measurements if each.step > Step.COSTLY and each.tower is None]
        captioner = [self.config.captioner] if self.captions else []
        together = readings(self.config.towers, self.measurements)
        return sorted([*captioner, *alone, *together], key=lambda measurement: measurement.step)

    @property
    def listens(self) -> bool:
        """Whether any of them hears the clips."""
        return any(each.listens for each in (*self.measurements, *([self.config.captioner] if self.captions else ())))

    def passes(self, row: Mapping[str, Any], step: Step) -> bool:
        """Whether a clip is shown to what runs in `step`."""
        return not self.gated or not broken_rules(self.config, row, before=step)


def whole(config: CurateConfig, answers: Mapping[str, Row]) -> Task:
    """All that a recipe measures and says."""
    return Task(config=config, measurements=config.scorers, captions=True, gated=True, answers=answers)
