"""Where the content lies within bars, so that training can crop them away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from filters.bars.agreement import Box, Evidence, agreed_boxes
from filters.bars.edges import Extremes, content_rows, faintly_lit
from filters.base import ColumnType, Rows, Score, Scorer
from preprocess.frames import FrameView, Plane


@dataclass(frozen=True, slots=True)
class LetterboxScorer(Scorer):
    """`crop_left`, `crop_top`, `crop_right`, `crop_bottom`: the content as a half-open box in displayed source pixels.

    The whole frame is 0, 0, width, height. Bars are what stays black in all samples up to a straight edge of content,
    or grey or white on two sides; a subtitle or a logo in one is cut away with it where the other bar shows how high
    it is. Clips of one source that are measured together agree: see `filters.bars.agreement`.
    """

    name: ClassVar[str] = "letterbox"
    columns: ClassVar[Mapping[str, ColumnType]] = {
        "crop_left": int,
        "crop_top": int,
        "crop_right": int,
        "crop_bottom": int,
    }
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "crop_left": (
            "pixels",
            "left edge of the half-open box of the picture inside black, grey or white bars, on which the clips "
            "of a source (of a span of it, where it is long) agree; the whole frame where there are none",
        ),
        "crop_top": ("pixels", "upper edge of the box inside the bars"),
        "crop_right": ("pixels", "right edge of the box inside the bars"),
        "crop_bottom": ("pixels", "lower edge of the box inside the bars"),
    }

    together: ClassVar[bool] = True

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Of the clip alone."""
        return self.scores([self.look(view)], [{}])[0]

    def look(self, view: FrameView) -> Evidence:
        """What the clip shows of bars, accurate to the size of a picture pixel: two source pixels at 1920 wide."""
        extremes = _extremes(view)
        height, width = extremes.brightest.shape
        top, bottom = content_rows(extremes)
        left, right = content_rows(extremes.rows(top, bottom).turned())
        return Evidence(
            shape=(height, width),
            displayed=(view.clip.height, view.clip.width),
            box=(left, top, right, bottom),
            lit=np.packbits(faintly_lit(extremes.brightest)),
        )

    def scores(self, looks: Sequence[Evidence], rows: Rows) -> Sequence[Mapping[str, Score]]:
        """Of clips of one source, which agree on its bars; rounded into the content."""
        return [_in_source_pixels(look, box) for look, box in zip(looks, agreed_boxes(looks), strict=True)]


def _in_source_pixels(look: Evidence, box: Box) -> Mapping[str, Score]:
    left, top, right, bottom = box
    down, across = (source / seen for source, seen in zip(look.displayed, look.shape, strict=True))
    return {
        "crop_left": math.ceil(left * across),
        "crop_top": math.ceil(top * down),
        "crop_right": math.floor(right * across),
        "crop_bottom": math.floor(bottom * down),
    }


def _extremes(view: FrameView) -> Extremes:
    """Medians first, so that single noisy pixels do not add up."""
    brightest: Plane = cv2.medianBlur(view.samples[0].picture.y, 3)
    darkest = brightest.copy()
    for sample in view.samples[1:]:
        smooth = cv2.medianBlur(sample.picture.y, 3)
        cv2.max(brightest, smooth, dst=brightest)
        cv2.min(darkest, smooth, dst=darkest)
    return Extremes(brightest=brightest, darkest=darkest)
