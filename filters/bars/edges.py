"""Where bars end along one side of a picture and the opposite one. Rows are spoken of; for columns turn the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from preprocess.frames import Plane

Lit = npt.NDArray[np.bool_]
"""(H, W): which pixels differ from a bar's level in some sample."""

BLACK = 24
"""Full-range luma a black bar may reach: black is coded 0 to 8, and noise and ringing at its edge add the rest."""
DIGITAL_BLACK = 1
"""The same where the outermost rows are as black as can be: with a level more begins what no bar has."""
CLEAN_BLACK = 5
"""The same where the outermost rows show that bars are clean: a night scene is hardly brighter than its bars."""
OUTERMOST = 2
"""Rows at the border that show a bar's level and noise."""
BAR_SHARE = 0.98
"""Share of a bar's row that stays black in every sample; the rest is noise."""
EDGE_ROWS = 4
"""Rows of content next to a bar that are looked at to tell a bar from a dark part of the scene."""
EDGE_LIT_SHARE = 0.35
"""Share of those that some sample lights up. Around a lamp in a dark room far fewer are."""
FAINT_EDGE_LIT_SHARE = 0.6
"""The same, of both edges on average, where less than black and white tells the content from its bars: those have to be
as high as each other, then."""
OVERLAY_SHARE = 0.3
"""Share of a bar's columns that a logo or watermark in it may cover."""
EVEN_ROWS = 2
"""Rows by which two bars that are as high as each other may differ."""
SUBTITLE_MARGIN = 0.1
"""Share of the width on either side that a line of text leaves free."""
LEAST_SHARE = 0.25
"""A content smaller than this share of the height is a light in the dark and not a picture in a frame."""
COLOURED_NOISE = 4.0
"""Standard deviation of the level of grey and white bars over the samples, at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extremes:
    """The least and the highest luma of each pixel over the samples, (H, W), single noisy pixels left out."""

    brightest: Plane
    darkest: Plane

    def turned(self) -> Extremes:
        """Columns for rows."""
        return Extremes(brightest=self.brightest.T, darkest=self.darkest.T)

    def rows(self, top: int, bottom: int) -> Extremes:
        """Some of its rows."""
        return Extremes(brightest=self.brightest[top:bottom], darkest=self.darkest[top:bottom])


def content_rows(picture: Extremes) -> tuple[int, int]:
    """First row and end row of the content; all of the rows where no bar is sure."""
    rows = len(picture.brightest)
    if rows < 4 * EDGE_ROWS or not _may_have_bars(picture):
        return 0, rows
    picture = Extremes(brightest=np.ascontiguousarray(picture.brightest), darkest=np.ascontiguousarray(picture.darkest))
    black, faint = picture.brightest > BLACK, picture.brightest > _clean_black(_border_rows(picture.brightest))
    top, bottom = _without_overlay(black, *_outer(_black_bars(black), _black_bars(faint), faint))
    top, bottom = _mirrored(faint, top, bottom)
    if (top, bottom) == (0, rows):
        top, bottom = _even_bars(faint)
    if (top, bottom) == (0, rows) and all(border.max() <= DIGITAL_BLACK for border in _border_rows(picture.brightest)):
        top, bottom = _even_bars(picture.brightest > DIGITAL_BLACK)
    if (top, bottom) == (0, rows):
        top, bottom = _even_bars(_differs_from_border(picture))
    return top, bottom


def _may_have_bars(picture: Extremes) -> bool:
    """Whether the outermost rows are mostly black, or of one level: seldom, and all else takes 30 times as long."""
    dark = any((border > BLACK).mean() <= OVERLAY_SHARE for border in _border_rows(picture.brightest))
    return dark or _border_level(picture)[1] <= COLOURED_NOISE


def _border_level(picture: Extremes) -> tuple[float, float]:
    """The level of the first and the last rows over the samples, and its standard deviation."""
    borders = [*_border_rows(picture.brightest), *_border_rows(picture.darkest)]
    level = np.concatenate([border.ravel() for border in borders]).astype(np.float32)
    return float(np.median(level)), float(level.std())


def faintly_lit(brightest: Plane) -> Lit:
    """Which pixels are brighter than black bars of this picture, wherever it has some."""
    level = _clean_black([*_border_rows(brightest), *_border_rows(brightest.T)])
    return np.asarray(brightest > level)


def _border_rows(brightest: Plane) -> list[Plane]:
    return [brightest[:OUTERMOST], brightest[-OUTERMOST:]]


def _clean_black(borders: list[Plane]) -> int:
    """The luma that black bars stay below, by the blacker border: 95 of 100 of its pixels are within its noise."""
    noise = min(float(np.percentile(border, 95)) for border in borders)
    return min(BLACK, round(CLEAN_BLACK + 2 * noise))


def _outer(sure: tuple[int, int], faint: tuple[int, int], lit: Lit) -> tuple[int, int]:
    """The edges that are sure, unless something faint lies outside of them: content is never cut away."""
    top, bottom = sure
    rows = len(lit)
    some = _some(lit)
    if some[:top].any():
        top = faint[0] if 0 < faint[0] <= top else _first(some[:top], top)
    if some[bottom:].any():
        bottom = faint[1] if bottom <= faint[1] < rows else rows - _first(some[bottom:][::-1], rows - bottom)
    return top, bottom


def _first(some: npt.NDArray[np.bool_], edge: int) -> int:
    """The first row that has something, where it is next to the edge (ringing); else there is no bar."""
    first = int(np.argmax(some))
    return first if edge - first <= 2 * EDGE_ROWS else 0


def _black_bars(lit: Lit) -> tuple[int, int]:
    rows = len(lit)
    content = np.flatnonzero(_some(lit))
    if not content.size:
        return 0, rows
    top, bottom = int(content[0]), int(content[-1]) + 1
    if bottom - top < LEAST_SHARE * rows:
        return 0, rows
    return (
        top if _is_edge(lit[top : top + EDGE_ROWS]) else 0,
        bottom if _is_edge(lit[bottom - EDGE_ROWS : bottom]) else rows,
    )


def _is_edge(rows: Lit) -> bool:
    return bool(rows.any(axis=0).mean() >= EDGE_LIT_SHARE)


def _without_overlay(lit: Lit, top: int, bottom: int) -> tuple[int, int]:
    """The content where one bar is as high as the other one but for a line of text or a logo in it."""
    rows = len(lit)
    if top > rows - bottom:
        bottom = _as_high(lit, top, bottom)
    elif rows - bottom > top:
        top = rows - _as_high(lit[::-1], rows - bottom, rows - top)
    return top, bottom


def _as_high(lit: Lit, top: int, bottom: int) -> int:
    """The end row of the content, where the lower bar is as high as the upper one, which is sure."""
    rows, columns = lit.shape
    end = rows - top
    if bottom <= end or end <= top:
        return bottom
    bar, side = lit[end:], max(1, round(SUBTITLE_MARGIN * columns))
    margins_black = bar[:, :side].mean() <= 1 - BAR_SHARE and bar[:, -side:].mean() <= 1 - BAR_SHARE
    is_overlay = margins_black or bar.any(axis=0).mean() <= OVERLAY_SHARE
    gap_black = bar[:2].mean() <= 1 - BAR_SHARE
    return end if is_overlay and gap_black and _is_edge(lit[end - EDGE_ROWS : end]) else bottom


def _mirrored(faint: Lit, top: int, bottom: int) -> tuple[int, int]:
    """A single bar and the same of it on the other side, where that is as black: the scene is dark there."""
    rows = len(faint)
    if top > 0 and bottom == rows and not _some(faint[rows - top :]).any():
        return top, rows - top
    if bottom < rows and top == 0 and not _some(faint[: rows - bottom]).any():
        return rows - bottom, bottom
    return top, bottom


def _some(lit: Lit) -> npt.NDArray[np.bool_]:
    """Which rows have more than noise."""
    return np.asarray(lit.mean(axis=1) > 1 - BAR_SHARE)


def _even_bars(lit: Lit) -> tuple[int, int]:
    """The content between two bars as high as each other, each with little in it up to a straight edge."""
    rows = len(lit)
    above, below = _covered(lit), _covered(lit[::-1])
    heights = np.arange(EVEN_ROWS + 1, int((1 - LEAST_SHARE) / 2 * rows))
    sharp = [
        (share[heights] <= OVERLAY_SHARE)
        & (share[np.minimum(heights + EDGE_ROWS, rows)] >= EDGE_LIT_SHARE)
        & (_lit_share(lit_rows)[heights - 1] <= OVERLAY_SHARE / 2)
        for share, lit_rows in ((above, lit), (below, lit[::-1]))
    ]
    tops, ends = heights[sharp[0]], heights[sharp[1]]
    if not tops.size or not ends.size:
        return 0, rows
    # several rows qualify around an edge; the last before content is its own
    top, end = _edge(tops, lit), _edge(ends, lit[::-1])
    lit_share = (above[top + EDGE_ROWS] + below[end + EDGE_ROWS]) / 2
    return (top, rows - end) if abs(top - end) <= EVEN_ROWS and lit_share >= FAINT_EDGE_LIT_SHARE else (0, rows)


def _edge(heights: npt.NDArray[np.int64], lit: Lit) -> int:
    """Of the rows that qualify as a bar's end, the first one that content follows at once."""
    share = _lit_share(lit)
    followed = [int(height) for height in heights if share[height] > 1 - BAR_SHARE]
    return followed[0] if followed else int(heights[-1])


def _lit_share(lit: Lit) -> npt.NDArray[np.float64]:
    return np.asarray(lit.mean(axis=1))


def _covered(lit: Lit) -> npt.NDArray[np.float64]:
    """For 0 to H first rows, the share of columns in which one of them is lit: (H + 1,)."""
    return np.concatenate([[0.0], np.logical_or.accumulate(lit, axis=0).mean(axis=1)])


def _differs_from_border(picture: Extremes) -> Lit:
    """Which pixels are not of the level that the first and the last rows share; all where they share none."""
    level, noise = _border_level(picture)
    if level <= BLACK or noise > COLOURED_NOISE:
        return np.ones(picture.brightest.shape, np.bool_)
    away = CLEAN_BLACK + 2 * noise
    return np.asarray((picture.brightest > level + away) | (picture.darkest < level - away))
