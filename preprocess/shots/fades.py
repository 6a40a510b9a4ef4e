"""Fades, and how far a change of many frames reaches.

A fade and a dissolve are a blend, `frame_t = (1 - a_t) * before + a_t * after`, which no pair of neighbouring frames
shows; a fade's far side is one solid colour. The search starts at a frame inside the blend (for fades here a solid or
faint one, for dissolves see `preprocess.shots.dissolves`) and walks outwards until the picture stops changing: there
clean frames begin.
"""

from __future__ import annotations

import numpy as np

from preprocess.shots.likeness import correlation
from preprocess.shots.track import Track, Vector

VALLEY_CONTRAST = 0.35
"""A short fade need not contain a solid frame; its faintest one keeps at most this part of the contrast beside it."""
NO_FADE = 0.5
"""Frames that correlate less with the one before show another picture; it is no fade's clean side."""
MIN_VALLEY_CORRELATION = 0.8
"""Lowest correlation of such a fade's half faded frames with the clean ones."""

REACH_FRAMES = 60
"""How far a fade or half a dissolve is followed from its middle, in frames at up to 30 a second: 2.5 s of film."""
SLOPE_FRAMES = 4
"""Rise is judged over this many frames at up to 30 a second, so content with doubled or tripled frames still rises."""
_FLAT = 0.25  # a walk has arrived once it rises slower than this part of its mean slope so far
_ARRIVED = 0.97  # ... and the clean frames begin where it has reached this part of what it reached
_FLOOR_RMS = 2.0  # levels of RMS that grain and compression alone move a still picture


def fade_start(track: Track, solid: int, reach: int) -> int:
    """First faded frame of a fade-out that arrives at the frame `solid`, at most `reach` frames before it."""
    start = max(track.first, solid - reach)
    return max(start, solid - _faded(track.thumbs(start, solid + 1)[::-1], reach) + 1)


def fade_end(track: Track, solid: int, reach: int) -> int:
    """First clean frame after a fade-in that leaves the frame `solid`, at most `reach` frames after it."""
    end = min(track.end, solid + reach + 1)
    return min(end, solid + _faded(track.thumbs(solid, end), reach))


def is_valley(track: Track, at: int, reach: int) -> bool:
    """Whether a frame that is not solid is the faintest of a fade: contrast falls towards it and rises after it."""
    here = track.contrast(at)
    beside = track.contrasts(at - 2, at) + track.contrasts(at + 1, at + 3)
    if len(beside) < 4 or here >= min(beside):
        return False
    before, after = track.contrasts(at - reach, at), track.contrasts(at + 1, at + 1 + reach)
    if here > VALLEY_CONTRAST * min(max(before), max(after)):
        return False
    before, after = _same_shot(track, at, before, after)
    if len(before) < 2 or len(after) < 2 or here > VALLEY_CONTRAST * min(max(before), max(after)):
        return False
    start, end = fade_start(track, at, reach), fade_end(track, at, reach)
    if not (2 <= at - start < reach and 2 < end - at < reach) or end >= track.end or start <= track.first:
        return False
    # Half way up each side stands the same picture as at its top, only fainter.
    sides = (((at + start - 1) // 2, start - 1), ((at + end) // 2, end))
    return all(correlation(track.thumb(half), track.thumb(top)) > MIN_VALLEY_CORRELATION for half, top in sides)


def _same_shot(track: Track, at: int, before: list[float], after: list[float]) -> tuple[list[float], list[float]]:
    """The contrasts on both sides of frame `at` up to the nearest cuts; one may lie at the faintest frame itself."""
    begin = next(
        (index for index in range(at - 1, at - len(before), -1) if track.alike(index) < NO_FADE), at - len(before)
    )
    end = next(
        (index for index in range(at + 2, at + 1 + len(after)) if track.alike(index) < NO_FADE), at + 1 + len(after)
    )
    return before[len(before) - (at - begin) :], after[: end - at - 1]


def passes_solid(track: Track, start: int, end: int) -> bool:
    """Whether the blend [start, end) is much fainter inside than on either side, as a fade is and a dissolve is not."""
    inside = track.contrasts(start, end)
    beside = track.contrasts(start - 1, start) + track.contrasts(end, end + 1)
    return bool(inside and beside) and min(inside) < VALLEY_CONTRAST * min(beside)


def plateau(rise: Vector, slope: int, floor: float = _FLOOR_RMS) -> int:
    """How many steps a walk takes until it stops rising; the last step where it never does.

    `rise` is how far, in levels, each step has come from the walk's first; steps below `floor` have not begun to rise.
    Film of 24 pictures a second stored at 240 stands still for ten frames: `slope` is over how many rise is judged.
    """
    risen = rise[1:] > floor
    begin = int(risen.argmax()) if risen.any() else len(rise) - 1
    later = rise[begin + slope :]
    length = np.arange(slope, slope + len(later), dtype=np.float32)
    least = _FLAT * slope * (later - rise[begin]) / length
    arrived = (later - rise[begin : begin + len(later)] < least) | (later <= floor)
    if not arrived.any():
        return len(rise) - 1
    until = rise[begin : begin + slope + int(arrived.argmax()) + 1]
    return int(np.argmax(rise >= _ARRIVED * float(until.max())))


def extent(thumbs: Vector, at: int, half: int, slope: int) -> tuple[int, int]:
    """The clean frames before and after the blend around frame `at`, as indices into `thumbs`; see `plateau`."""
    direction = thumbs[min(len(thumbs) - 1, at + half)] - thumbs[max(0, at - half)]
    before = after = at
    for _ in range(2):  # once along the window's direction, once along that of the whole blend
        shares = thumbs @ direction  # of all frames first, then less that of one: half the memory of the other way
        along = (shares - shares[at]) / (np.linalg.norm(direction) * direction.size**0.5 + 1e-6)
        before, after = at - plateau(-along[at::-1], slope, floor=0.0), at + plateau(along[at:], slope, floor=0.0)
        direction = thumbs[after] - thumbs[before]
    return before, after


def slope_frames(reach: int) -> int:
    """Over how many frames rise is judged in a search that reaches so far."""
    return max(1, SLOPE_FRAMES * reach // REACH_FRAMES)


def _faded(thumbs: Vector, reach: int) -> int:
    """Steps after which a frame is clean for certain: eased ends and motion hide the last few shares of a blend."""
    steps = plateau(_distances(thumbs), slope_frames(reach))
    return 1 if steps <= 1 else steps + 1 + steps // 8


def _distances(thumbs: Vector) -> Vector:
    """RMS distance of each thumbnail from the first, in levels."""
    distances: Vector = np.linalg.norm(thumbs - thumbs[0], axis=1) / np.float32(thumbs.shape[1] ** 0.5)
    return distances
