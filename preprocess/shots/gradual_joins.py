"""Joins that take many frames and are no blends: proposes frames in the middle of wipes and slides, and finds how
far they reach."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import cv2

from preprocess.shots.fades import NO_FADE
from preprocess.shots.likeness import correlation
from preprocess.shots.slides import MAX_ALIKE, MAX_LEAP, MIN_FASTER, find_slide, slide_at
from preprocess.shots.track import Track
from preprocess.shots.wipes import HALF_WIDTHS, MAX_AT_ONCE, MIN_APART, find_wipe, is_wipe_seed

Seeds = tuple[list[int], list[int]]

EVERY = (2, 4, 6, 8)
"""Of the windows of each half width, every so many are looked at: a long wipe has many middles."""
RETURN_SECONDS = 1.5
"""A thing that passes uncovers the old picture within so much time."""
RETURNS = 0.45
"""A picture nearer to the one before than this part of the change is that picture again."""


class GradualJoins:
    """Looks at each frame as it comes, and at each again once what follows it is known."""

    def __init__(self, stride: int, fps: Fraction) -> None:
        self._stride = stride
        self._return_frames = round(RETURN_SECONDS * fps)
        self._half_widths = tuple(width * stride for width in HALF_WIDTHS)
        self._steps: list[float] = []  # each frame's distance from the last
        self._wipes: dict[int, list[int]] = {}
        self._slides: dict[int, list[int]] = {}
        self._tried: deque[tuple[int, int]] = deque(maxlen=32)

    def look(self, track: Track) -> None:
        """Note of which frames the newest one makes the middle of what may be a wipe or a slide."""
        newest = track.end - 1
        if newest == track.first:
            return
        self._steps.append(cv2.norm(track.thumb(newest), track.thumb(newest - 1), cv2.NORM_L2))
        if len(self._steps) > 4 * self._half_widths[-1]:
            del self._steps[: -2 * self._half_widths[-1]]
        for half, every in zip(self._half_widths, EVERY, strict=True):
            if newest % every:
                continue
            before = newest - 2 * half
            if before < track.first:
                return
            thumb = track.thumb(before)
            lit = max(track.contrast(before), track.contrast(newest))
            apart = cv2.norm(thumb, track.thumb(newest), cv2.NORM_L2)
            if apart < MIN_APART * lit * thumb.size**0.5:
                continue
            if max(self._steps[-2 * half :]) < MAX_AT_ONCE * apart and is_wipe_seed(track, half):
                self._wipes.setdefault(newest - half, []).append(half)
            elif self._changes_faster(half):
                self._slides.setdefault(newest - half, []).append(half)

    def take(self, at: int) -> Seeds:
        """The half widths of the windows around frame `at` that may be wipes, and slides; they are forgotten."""
        return self._wipes.pop(at, []), self._slides.pop(at, [])

    def find(self, track: Track, at: int, seeds: Seeds, reach: int, known: int) -> tuple[int, int] | None:
        """The frames [start, end) of the wipe or slide in whose middle frame `at` is; `reach` bounds the search. Up to
        frame `known` all is found."""
        wipes, slides = seeds
        for half in wipes:
            span = find_wipe(track, at, half, reach, self._stride, self._tried, known)
            if span is not None and not self._passes(track, span):
                return span
        for half in slides:
            if at - half < track.first or correlation(track.thumb(at - half), track.thumb(at + half)) > MAX_ALIKE:
                continue
            slide = slide_at(track, at - half, at, at + half)
            span = None if slide is None else find_slide(track, at, half, *slide)
            if span is not None and not self._passes(track, span):
                return span
        return None

    def _changes_faster(self, half: int) -> bool:
        """Whether the picture changes faster in the middle of the newest window than at its ends, and by no cut."""
        steps = self._steps[-2 * half :]
        if len(steps) < 2 * half:
            return False
        # Film on twos stands still at every second frame.
        middle = min(max(steps[half - 2 : half]), max(steps[half : half + 2]))
        return middle > MIN_FASTER * max(*steps[:2], *steps[-2:]) and MAX_LEAP * middle > max(steps)

    def _passes(self, track: Track, span: tuple[int, int]) -> bool:
        """Whether the old picture is soon back, or the new one was there before: then something has passed."""
        return _comes_back(track, max(track.first, span[0] - 1), min(track.end - 1, span[1]), self._return_frames)


def _comes_back(track: Track, before: int, after: int, within: int) -> bool:
    """Whether a picture from shortly before `before` stands again shortly after `after`, and no cut lies between it and
    them: then something has passed."""
    step = max(1, within // 12)
    begin, end = max(track.first, before - within), min(track.end, after + 1 + within)
    begin = next((at for at in range(before, begin, -1) if _is_alone(track, at)), begin)
    end = next((at for at in range(after + 1, end) if _is_alone(track, at)), end)
    earlier, later = track.thumbs(begin, before + 1)[::-step], track.thumbs(after, end)[::step]
    squares = (earlier**2).sum(axis=1)[:, None] + (later**2).sum(axis=1) - 2 * (earlier @ later.T)
    farthest = ((track.thumbs(before, after + 1) - track.thumb(before)) ** 2).sum(axis=1).max()
    return bool(squares.min() < RETURNS**2 * farthest)


def _is_alone(track: Track, at: int) -> bool:
    """Whether another picture begins at frame `at`, and no motion goes on there."""
    beside = track.changes(at - 2, at) + track.changes(at + 1, at + 3)
    return track.alike(at) < NO_FADE and 1 - track.alike(at) > 4 * max(beside, default=0.0)
