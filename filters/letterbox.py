"""Where the content lies within black bars, so that training can crop them away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import ColumnType, Score, Scorer
from preprocess.frames import FrameView, Plane

BAR_LUMA = 24
"""Full-range luma a bar may reach: black is coded 0 to 8, and noise and ringing at its edge add the rest."""
BAR_SHARE = 0.98
"""Share of a bar's row that stays black in every sample; the rest is noise."""
EDGE_ROWS = 4
"""Rows of content next to a bar that are looked at to tell a bar from a dark part of the scene."""
EDGE_LIT_SHARE = 0.35
"""Share of those that some sample lights up. Around a lamp in a dark room far fewer are."""
SUBTITLE_MARGIN = 0.1
"""Share of the width on either side that a line of text leaves free."""
LEAST_SHARE = 0.25
"""A content smaller than this share of the width or height is a light in the dark and not a picture in a frame."""


@dataclass(frozen=True, slots=True)
class LetterboxScorer(Scorer):
    """`crop_left`, `crop_top`, `crop_right`, `crop_bottom`: the content as a half-open box in displayed source pixels.

    The whole frame is 0, 0, width, height. Bars are what stays black in all samples up to a straight edge of content;
    a subtitle in the lower bar is cut away with it where the upper bar shows how tall it is.
    """

    name: ClassVar[str] = "letterbox"
    columns: ClassVar[Mapping[str, ColumnType]] = {
        "crop_left": int,
        "crop_top": int,
        "crop_right": int,
        "crop_bottom": int,
    }

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Accurate to the size of a picture pixel: two source pixels at 1920 wide, rounded into the content."""
        brightest = _brightest(view)
        top, bottom = _content_rows(brightest)
        left, right = _content_rows(np.ascontiguousarray(brightest[top:bottom].T))
        bottom = _without_subtitle(brightest[:, left:right] > BAR_LUMA, top, bottom)
        height, width = brightest.shape
        across, down = view.clip.width / width, view.clip.height / height
        return {
            "crop_left": math.ceil(left * across),
            "crop_top": math.ceil(top * down),
            "crop_right": math.floor(right * across),
            "crop_bottom": math.floor(bottom * down),
        }


def _brightest(view: FrameView) -> Plane:
    """The brightest luma each pixel shows in any sample; medians first, so that single noisy pixels do not add up."""
    result: Plane = cv2.medianBlur(view.samples[0].picture.y, 3)
    for sample in view.samples[1:]:
        cv2.max(result, cv2.medianBlur(sample.picture.y, 3), dst=result)
    return result


def _content_rows(brightest: Plane) -> tuple[int, int]:
    """First row and end row of the content; all of the rows where no bar is sure."""
    lit = brightest > BAR_LUMA
    rows = len(lit)
    content = np.flatnonzero(lit.mean(axis=1) > 1 - BAR_SHARE)
    if not content.size:
        return 0, rows
    top, bottom = int(content[0]), int(content[-1]) + 1
    if bottom - top < LEAST_SHARE * rows:
        return 0, rows
    return (
        top if _is_edge(lit[top : top + EDGE_ROWS]) else 0,
        bottom if _is_edge(lit[bottom - EDGE_ROWS : bottom]) else rows,
    )


def _is_edge(rows: npt.NDArray[np.bool_]) -> bool:
    return bool(rows.any(axis=0).mean() >= EDGE_LIT_SHARE)


def _without_subtitle(lit: npt.NDArray[np.bool_], top: int, bottom: int) -> int:
    """The end row of the content where the lower bar is as tall as the upper one, but for a line of text in it."""
    rows, columns = lit.shape
    end = rows - top
    if bottom <= end or end <= top:
        return bottom
    bar, side = lit[end:], max(1, round(SUBTITLE_MARGIN * columns))
    margins_black = bar[:, :side].mean() <= 1 - BAR_SHARE and bar[:, -side:].mean() <= 1 - BAR_SHARE
    gap_black = bar[:2].mean() <= 1 - BAR_SHARE
    return end if margins_black and gap_black and _is_edge(lit[end - EDGE_ROWS : end]) else bottom
