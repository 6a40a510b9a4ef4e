"""Slides: the later picture comes in from one side, sharp, as a whole; straight wipes are told along the way.

A frame inside shows the lines (columns, or rows) of the earlier picture up to a border and those of the later one
beyond it. Either picture stays or moves with the border: push, cover, uncover, wipe. A pan that goes on for exactly one
width shows the same; but it moves before and after, too, and its two pictures fit together at the border.
Thresholds were set on the material of `preprocess.shots.wipes`.
"""

from __future__ import annotations

import itertools

import numpy as np

from preprocess.shots.track import Track, Vector

Sums = tuple[Vector, Vector]

MOVES = tuple(itertools.product((True, False), (True, False)))
"""Whether the earlier and whether the later picture moves with the border."""
SIDES = ("left", "right", "up", "down")
"""Where to the border goes."""
MIN_FASTER = 1.15
"""The middle of a slide changes so much faster than either of its ends: most of the time nothing is tried."""
MAX_LEAP = 3.0
"""No frame of a slide changes more than so many times as fast as the middle: that is a cut."""
MAX_ALIKE = 0.6
"""Correlation of the frames before and after, above which they show one scene."""
MAX_LEFT = 0.3
"""Largest part of the squared change that lines in their places leave, the mean over the frames inside."""
MAX_LEFT_OF_NEAREST = 0.5
"""The same, over the distance to whichever of the two pictures is nearer."""
MAX_LEFT_INSIDE = 0.4
"""What they may leave in the frame first looked at: things move more in a window that is longer than the slide."""
MAX_LEFT_INSIDE_OF_NEAREST = 0.6
MAX_OFF_PACE = 0.25
"""Largest distance of the border from steady progress, over the way; a cubic ease stays below."""
MAX_BACK = 0.1
"""So much of the way may the border go back, where things move in the pictures."""
MAX_BESIDE = 0.8
"""The change of as many frames just before, or after, over that inside: at 1 the motion goes on."""
MIN_SEAM = 1.0
"""Squared step between the edges that meet, over that between neighbouring lines: a pan's pictures fit together."""


def slide_at(track: Track, before: int, middle: int, after: int) -> tuple[int, str] | None:
    """Which of `MOVES`, and to which of `SIDES`, makes `middle` from lines of the frames before and after; None where
    that leaves too much."""
    three = np.concatenate([track.pictures(at, at + 1) for at in (before, middle, after)])
    old, between, new = three
    total = float(((new - old) ** 2).sum()) + 1e-6
    nearest = min(float(((between - old) ** 2).sum()), float(((between - new) ** 2).sum())) / total
    best: tuple[float, int, str] | None = None
    for one, opposite in (("left", "right"), ("up", "down")):
        lines = _lines(three, one)
        from_old, from_new = _between(lines[1:2], lines[0]), _between(lines[1:2], lines[2])
        margin = max(1, lines.shape[1] // 7)
        for side in (one, opposite):
            sums = _sums(from_old, from_new)
            for move, moves in enumerate(MOVES):
                left = _left(sums, moves)[0, margin:-margin]
                if left.size and (best is None or left.min() < best[0]):
                    best = float(left.min()), move, side
            from_old, from_new = from_old[:, ::-1, ::-1], from_new[:, ::-1, ::-1]
    if best is None or best[0] > min(MAX_LEFT_INSIDE, MAX_LEFT_INSIDE_OF_NEAREST * nearest) * total:
        return None
    return best[1], best[2]


def find_slide(track: Track, middle: int, half: int, move: int, side: str) -> tuple[int, int] | None:
    """The frames [start, end) of the slide around `middle`, or None where the change is something else."""
    before, after = middle - half, middle + half
    for _ in range(3):
        if after - before < 4 or not before < middle < after or before < track.first or after >= track.end:
            return None
        border, _ = _borders(track, before, after, move, side)
        lines = _lines(track.pictures(before, before + 1), side).shape[1]
        at = middle - before
        last_clean = max(np.flatnonzero(border[: at + 1] == 0), default=0)
        first_clean = at + min(np.flatnonzero(border[at:] == lines), default=len(border) - 1 - at)
        if (last_clean, first_clean) == (0, after - before):
            break
        before, after = before + int(last_clean), before + int(first_clean)
    if after - before < 4 or not _is_slide(track, before, after, move, side):
        return None
    pad = 1 + (after - before) // 10  # an eased border starts so slowly that it is seen late
    return max(track.first, before + 1 - pad), min(track.end, after + pad)


def _is_slide(track: Track, before: int, after: int, move: int, side: str) -> bool:
    border, left = _borders(track, before, after, move, side)
    frames = track.thumbs(before, after + 1)
    total = float(((frames[-1] - frames[0]) ** 2).sum()) + 1e-6
    ends = np.minimum(((frames - frames[0]) ** 2).sum(axis=1), ((frames - frames[-1]) ** 2).sum(axis=1)) / total
    old, new = (_lines(track.pictures(at, at + 1), side)[0] for at in (before, after))
    way = border / len(old)
    steady = np.abs(way - np.linspace(0, 1, len(way))).max() <= MAX_OFF_PACE
    if not steady or np.maximum(0, -np.diff(way)).sum() > MAX_BACK:
        return False
    if left[1:-1].mean() > min(MAX_LEFT, MAX_LEFT_OF_NEAREST * ends[1:-1].mean()):
        return False
    beside = max(1, (after - before) // 6)
    inside = ((frames[1 + beside : -1] - frames[1 : -1 - beside]) ** 2).sum(axis=1).mean()
    if before - beside < track.first or after + beside >= track.end:
        return False  # nobody knows whether the motion goes on
    for one, other in ((before - beside, before), (after, after + beside)):
        if ((track.thumb(other) - track.thumb(one)) ** 2).sum() > MAX_BESIDE * inside:
            return False
    usual = (np.diff(old, axis=0) ** 2).mean() + (np.diff(new, axis=0) ** 2).mean()
    return bool(2 * ((old[-1] - new[0]) ** 2).mean() > MIN_SEAM * usual)


def _borders(track: Track, before: int, after: int, move: int, side: str) -> tuple[Vector, Vector]:
    """Lines of the later picture that each frame of [before, after] shows, and the part of the squared change left."""
    frames = _lines(track.pictures(before, after + 1), side)
    total = float(((frames[-1] - frames[0]) ** 2).sum()) + 1e-6
    left = _left(_sums(_between(frames, frames[0]), _between(frames, frames[-1])), MOVES[move]) / total
    return left.argmin(axis=1).astype(np.float32), left.min(axis=1)


def _lines(pictures: Vector, side: str) -> Vector:
    """Pictures (k, h, w, 3) as lines (k, n, d) such that the border goes from the last to the first."""
    if side in ("left", "right"):
        pictures = pictures.transpose(0, 2, 1, 3)
    lines = np.ascontiguousarray(pictures).reshape(*pictures.shape[:2], -1)
    return lines[:, ::-1] if side in ("right", "down") else lines


def _sums(from_old: Vector, from_new: Vector) -> tuple[Sums, Sums]:
    """Squared difference of k frames of n lines from the lines that the earlier picture still shows, and from those of
    the later one, with 0 to n of these, each (k, n + 1): where the picture moves, and where it stays.

    Given are the distances of each line from each, see `_between`.
    """
    none = np.zeros((len(from_old), 1), np.float32)
    old_stays = np.hstack([none, np.diagonal(from_old, axis1=1, axis2=2).cumsum(axis=1)])[:, ::-1]
    new_stays = np.hstack([none, np.diagonal(from_new, axis1=1, axis2=2)[:, ::-1].cumsum(axis=1)])
    return (_diagonals(from_old), old_stays), (_diagonals(from_new.transpose(0, 2, 1))[:, ::-1], new_stays)


def _left(sums: tuple[Sums, Sums], move: tuple[bool, bool]) -> Vector:
    """What one of `MOVES` leaves of the squared difference, (k, n + 1)."""
    (old_moves, old_stays), (new_moves, new_stays) = sums
    left: Vector = np.maximum((old_moves if move[0] else old_stays) + (new_moves if move[1] else new_stays), 0)
    return left


def _between(frames: Vector, lines: Vector) -> Vector:
    """Squared distance of each line of k frames (k, n, d) from each other line (m, d), (k, n, m)."""
    squares = (frames**2).sum(axis=2)[:, :, None] + (lines**2).sum(axis=1)
    distances: Vector = squares - 2 * (frames @ lines.T)
    return distances


def _diagonals(tables: Vector) -> Vector:
    """Sums of the n + 1 diagonals of k square tables, from the main one upwards; the last is empty, (k, n + 1)."""
    count, size = tables.shape[:2]
    padded = np.zeros((count, size * (2 * size + 1)), np.float32)
    padded[:, : 2 * size * size].reshape(count, size, 2 * size)[:, :, :size] = tables
    skewed = padded.reshape(count, size, 2 * size + 1)[:, :, : size + 1]  # each row begins one column later
    sums: Vector = skewed.sum(axis=1)
    return sums
