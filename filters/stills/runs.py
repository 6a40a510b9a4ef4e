"""Runs of frames of which each shows what the one before shows, by how much frames change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SAME_CHANGE = 0.025
"""Mean absolute difference, 0-255, up to which a frame repeats the one before: a still picture under x264 stays within
0.02 at crf 18 to 30."""
FIRST_CHANGE, FIRST_SHARE = 0.05, 0.25
"""The same where a picture has just come, and of how many of the frames that repeat it."""
SHORTEST_SECONDS = 0.5
"""Animation on twos or fours and 8 fps film in a 24 fps file repeat frames too, for a third of a second at most."""
SLIDE_SECONDS, STILLS_SHARE = 0.3, 0.75
"""Where holds of such a length make up so much of a clip, it is a row of pictures: two or three of them a second. What
only grain and coding change counts where it makes up as much: in a film things stand still for a second, too."""
MENDING_CHANGE = 0.35
"""Mean absolute difference of frames while a hasty encoder mends a picture that has come: x264 superfast stays under
0.19, for a second, ultrafast under 0.33. So much counts where no place of the picture changes, in a row of pictures, or
where movement stops or begins at once."""
SUDDEN = 3.0
"""Times as much as while a picture is mended, the change beside it: 4.3 and more where pictures are held."""
MOVING_CHANGE = 0.25
"""The least change beside it: in a quiet view of 0.16 a second without any movement begins as suddenly."""
BESIDE_FRAMES = 6
"""Of these beside a held picture, two at least move: a key frame is one, and film of 8 a second has two of them."""
BESIDE_KEY = 3
"""Frames on either side of a key frame in a held picture, which changes more than those."""

Changes = npt.NDArray[np.float64]
"""Mean absolute difference of each frame (N,) from the one before, 0-255; the first one's counts for nothing."""


def held(change: Changes, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which frames repeat their predecessors for long enough, the first ones with less fidelity."""
    change = np.concatenate([[np.inf], change[1:]])
    long, slides = np.zeros(len(change), np.bool_), np.zeros(len(change), np.bool_)
    low = np.diff(np.concatenate([[False], change <= FIRST_CHANGE, [False]]).astype(np.int8))
    for first, end in zip(np.flatnonzero(low == 1), np.flatnonzero(low == -1), strict=True):
        if (change[first:end] > SAME_CHANGE).mean() > FIRST_SHARE:
            continue
        held_seconds = seconds[end - 1] - seconds[first - 1]
        long[first:end] = held_seconds > SHORTEST_SECONDS
        slides[first:end] = held_seconds > SLIDE_SECONDS
    return slides if slides.mean() >= STILLS_SHARE else long


def mended_runs(change: Changes, seconds: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """First and end of the runs that are long enough, in which frames change little after movement that stopped at
    once, or before movement that begins at once."""
    count = len(change) - 1
    runs = [(first + 1, end + 1) for first, end in _after_movement(change[1:])]
    runs += [(count - end + 1, count - first + 1) for first, end in _after_movement(change[:0:-1])]
    return [(first, end) for first, end in runs if seconds[end - 1] - seconds[first - 1] > SHORTEST_SECONDS]


def _after_movement(change: Changes) -> list[tuple[int, int]]:
    """From where on change is little at once, and until when; key frames alone in between count as little.

    The frames before move if the last one of them and one more of `BESIDE_FRAMES` do.
    """
    last = change[BESIDE_FRAMES - 1 : -1]
    stops = (last >= MOVING_CHANGE) & (change[BESIDE_FRAMES:] <= np.minimum(last / SUDDEN, MENDING_CHANGE))
    runs, until = list[tuple[int, int]](), 0
    for first in (np.flatnonzero(stops) + BESIDE_FRAMES).tolist():
        moving = min(change[first - 1], np.partition(change[first - BESIDE_FRAMES : first], -2)[-2])
        if first < until or moving < MOVING_CHANGE:
            continue
        until = _until(change <= min(moving / SUDDEN, MENDING_CHANGE), first)
        runs.append((first, until))
    return runs


def _until(low: npt.NDArray[np.bool_], first: int) -> int:
    """Where a run of low change ends, key frames in it left out."""
    at = first
    while at < len(low) and (
        low[at] or (at - first >= BESIDE_KEY and low[at + 1 : at + 1 + BESIDE_KEY].sum() == BESIDE_KEY)
    ):
        at += 1
    return at
