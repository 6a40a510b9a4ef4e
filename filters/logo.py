"""A logo or watermark that stands in the picture, with its box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import ColumnType, Rows, Score, Scorer
from filters.layout.gradients import gradients
from filters.layout.marks import CONSTANT_IN_CLIP, LEAST_SCENES, Box, Mark, Mean, standing_mark
from preprocess.frames import FrameView

BOX_COLUMNS = ("logo_left", "logo_top", "logo_right", "logo_bottom")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What one clip shows of what stands in it."""

    mean: Mean
    own: Mark | None
    """What stands in this clip alone, where everything else moves."""
    displayed: tuple[int, int]
    """Height and width of the source, as displayed."""


@dataclass(frozen=True, slots=True)
class LogoScorer(Scorer):
    """`logo`: share of the picture, 0-1, within the box of a logo or watermark; 0 where none is found.
    `logo_left logo_top logo_right logo_bottom`: the half-open box in displayed source pixels, null without one.

    A logo is what has the same edges in the clips of a source that are measured together, of which it takes three; in a
    clip alone, what stands while everything else moves. Where all clips show one set, nothing can be said: `logo` is 0.
    """

    name: ClassVar[str] = "logo"
    columns: ClassVar[Mapping[str, ColumnType]] = {"logo": float, **dict.fromkeys(BOX_COLUMNS, int)}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "logo": (
            "0-1",
            "share of the picture within the box of a logo or watermark that stands in the source's clips; 0 "
            "where none is found",
        ),
        "logo_left": ("pixels", "left edge of its half-open box; null without one"),
        "logo_top": ("pixels", "upper edge of the logo's box"),
        "logo_right": ("pixels", "right edge of the logo's box"),
        "logo_bottom": ("pixels", "lower edge of the logo's box"),
    }
    timed: ClassVar[tuple[str, ...]] = ("logo", *BOX_COLUMNS)
    together: ClassVar[bool] = True

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Of the clip alone."""
        return self.scores([self.look(view)], [{}])[0]

    def look(self, view: FrameView) -> Scene:
        """Its mean gradients."""
        found = [each.astype(np.float32) for each in gradients(view)]
        mean = found[0].copy()
        for each in found[1:]:
            mean += each
        mean /= len(found)
        own = standing_mark(found, constant_from=CONSTANT_IN_CLIP)
        return Scene(mean=mean, own=own, displayed=(view.clip.height, view.clip.width))

    def scores(self, looks: Sequence[Scene], rows: Rows) -> Sequence[Mapping[str, Score]]:
        """Of clips of one source."""
        sizes = {(scene.mean.shape, scene.displayed) for scene in looks}
        marks = {
            size: standing_mark([scene.mean for scene in looks if (scene.mean.shape, scene.displayed) == size])
            for size in sizes
        }
        alone = len(looks) < LEAST_SCENES
        return [_columns(scene, marks[scene.mean.shape, scene.displayed], alone=alone) for scene in looks]


def _columns(scene: Scene, mark: Mark | None, *, alone: bool) -> Mapping[str, Score]:
    """A mark that several clips share counts before what stands in one of them only, which may be part of the scene."""
    if mark is not None and mark.is_in(scene.mean):
        return _in_source_pixels(mark.box, scene)
    if alone and scene.own is not None:
        return _in_source_pixels(scene.own.box, scene)
    return {"logo": 0.0} | dict.fromkeys(BOX_COLUMNS)


def _in_source_pixels(box: Box, scene: Scene) -> Mapping[str, Score]:
    """Rounded outwards, with the pixel on either side that an edge's gradient reaches to."""
    (_, rows, columns), (height, width) = scene.mean.shape, scene.displayed
    across, down = width / columns, height / rows
    left, top, right, bottom = box
    edges = (
        max(0, math.floor(left * across)),
        max(0, math.floor(top * down)),
        min(width, math.ceil(right * across)),
        min(height, math.ceil(bottom * down)),
    )
    area = (edges[2] - edges[0]) * (edges[3] - edges[1]) / (width * height)
    return {"logo": area, **dict(zip(BOX_COLUMNS, edges, strict=True))}
