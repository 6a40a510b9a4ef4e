"""Burned-in subtitles: level lines, above or below, that stand still while what is beside them changes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from filters.text.boxes import Box
from preprocess.frames import Plane, Sample

LOWER_FROM, UPPER_TO = 0.6, 0.25
"""Parts of the height that subtitles lie below or above."""
OFF_CENTRE = 0.08
"""Of the width: the farthest that the middle of a line is from the middle of the picture."""
IN_LINE = 0.02
"""Of the width: the farthest that edges are apart which are in line."""
HIGHEST, LEAST_WIDE = 0.12, 0.1
"""A line's height is at most that part of the frame's, its width at least that of the frame's."""
MOST_SLOPE = 0.03
SAME_STROKES = 0.6
"""Correlation, where a line has strokes, of two frames from which it is the same line. In six scripts over photos, at
JPEG quality 40, the same line over another photo has 0.84 in nine of ten cases; other words have 0.2, nothing 0.16."""
CHANGES = 6.0
"""Grey levels, mean over the line's surroundings, from one frame to another that shows it: noise of deviation 5 in a
still picture makes 2 / sqrt(pi) as much, 5.6."""
CROP_HEIGHT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text that was found in one of the clip's samples."""

    box: Box
    """In pixels of the sample's picture, its corners in any order around it."""
    sample: int
    """Which one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where a clip's subtitles lie, and how much of the time there is one."""

    share: float
    """Of the samples."""
    top: float
    bottom: float
    """Of the frame's height, 0 above."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Standing:
    """A line that lies where subtitles do."""

    left: float
    right: float
    """Of the width."""
    top: float
    bottom: float
    present: npt.NDArray[np.bool_]
    """By sample."""
    overlaid: bool
    """It stays for two samples, and comes, goes, or stands still while what surrounds it changes: a sign in a still
    picture keeps its place, too."""

    @property
    def centred(self) -> bool:
        return abs(self.left + self.right - 1) / 2 <= OFF_CENTRE

    def replaces(self, other: _Standing) -> bool:
        """Whether it is there before or after the other, at the same height and with an edge or the middle in line."""
        high = min(self.bottom - self.top, other.bottom - other.top)
        level = min(self.bottom, other.bottom) - max(self.top, other.top) >= high / 2
        edges = (
            self.left - other.left,
            self.right - other.right,
            (self.left + self.right - other.left - other.right) / 2,
        )
        return level and not (self.present & other.present).any() and min(map(abs, edges)) <= IN_LINE


def subtitle_band(samples: Sequence[Sample], lines: Sequence[Line]) -> Band | None:
    """The band of those lines that are subtitles; None where none is.

    They are what was laid over the picture in its middle, and lines that replace one another, of which one was.
    """
    frames = [sample.picture.y for sample in samples]
    height, width = frames[0].shape
    standing = [_standing(frames, line) for line in lines if _placed(line.box, width, height)]
    found = [
        one
        for one in standing
        if (one.overlaid and one.centred)
        or any(one.replaces(other) and (one.overlaid or other.overlaid) for other in standing)
    ]
    if not found:
        return None
    seen = np.any([one.present for one in found], axis=0)
    top, bottom = min(one.top for one in found), max(one.bottom for one in found)
    return Band(share=float(seen.mean()), top=max(0.0, top), bottom=min(1.0, bottom))


def _placed(box: Box, width: int, height: int) -> bool:
    (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
    edges = np.abs(np.roll(box, 1, axis=0) - box)
    along, across = edges[np.argmax(edges.max(axis=1))]
    inside = top >= LOWER_FROM * height or bottom <= UPPER_TO * height
    shaped = bottom - top <= HIGHEST * height and right - left >= max(LEAST_WIDE * width, bottom - top)
    return bool(inside and shaped and across <= MOST_SLOPE * along)


def _standing(frames: Sequence[Plane], line: Line) -> _Standing:
    present, changes = _stands(frames, line)
    height, width = frames[0].shape
    (left, top), (right, bottom) = line.box.min(axis=0) / (width, height), line.box.max(axis=0) / (width, height)
    overlaid = present.sum() >= 2 and (not present.all() or changes >= CHANGES)
    return _Standing(
        left=float(left),
        right=float(right),
        top=float(top),
        bottom=float(bottom),
        present=present,
        overlaid=bool(overlaid),
    )


def _stands(frames: Sequence[Plane], line: Line) -> tuple[npt.NDArray[np.bool_], float]:
    """In which samples the line's own strokes are where it was found, and how much its surroundings change there."""
    height, width = frames[0].shape
    (left, top), (right, bottom) = line.box.min(axis=0), line.box.max(axis=0)
    inner, around = (
        (
            slice(max(0, int(top - margin)), max(1, min(height, int(bottom + margin)))),
            slice(max(0, int(left - margin)), max(1, min(width, int(right + margin)))),
        )
        for margin in (0.0, float(bottom - top))
    )
    strokes = [_strokes(frame[inner]) for frame in frames]
    own = strokes[line.sample]
    strong = np.abs(own) > 1
    present = np.array([_correlation(own[strong], other[strong]) >= SAME_STROKES for other in strokes])
    beside = np.ones(frames[0][around].shape, bool)
    beside[inner[0].start - around[0].start :, inner[1].start - around[1].start :][
        : inner[0].stop - inner[0].start, : inner[1].stop - inner[1].start
    ] = False
    there = [frame[around][beside].astype(np.float32) for frame, its in zip(frames, present, strict=True) if its]
    steps = [float(np.abs(later - earlier).mean()) for earlier, later in itertools.pairwise(there)]
    return present, max(steps, default=0.0) if beside.any() else 0.0


def _strokes(crop: Plane) -> npt.NDArray[np.float32]:
    """What is thin in a picture of a line, in its standard deviations."""
    scale = CROP_HEIGHT / crop.shape[0]
    small = cv2.resize(crop, (max(1, round(crop.shape[1] * scale)), CROP_HEIGHT), interpolation=cv2.INTER_AREA)
    fine: npt.NDArray[np.float32] = small - cv2.GaussianBlur(small.astype(np.float32), (0, 0), CROP_HEIGHT / 6)
    return fine / max(1.0, float(fine.std()))


def _correlation(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Of two pictures' pixels; 0 where one of them is flat."""
    if first.size == 0:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / scale if scale > 0 else 0.0
