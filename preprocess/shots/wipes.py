"""Wipes: the later picture takes over region by region, behind an edge of any shape, sharp or soft.

While a wipe runs, each region of the picture shows the earlier shot until the edge has come and the later one from then
on; regions side by side are reached one after the other. Where things move, regions change back and forth; in a pan and
a zoom they all change all the time; a passing object gives the old picture back.
Thresholds and weights were fitted on shots joined by eighteen shapes of wipe, sharp, soft and eased, 8 to 48 frames
long, in daylight and at night, against the same shots with pans, zooms, whip pans, passing objects, inserted pictures,
bars, lamps and fast motion. The shots are a music video of dancers, street views, an animation, and calm close-ups.
"""

from __future__ import annotations

from collections import deque
from math import log

import cv2
import numpy as np

from preprocess.shots.likeness import correlation, unexplained
from preprocess.shots.switches import CELLS, Counts, busy, by_region, squares, switches_of, together
from preprocess.shots.track import Track, Vector

HALF_WIDTHS = (6, 12, 20, 30)
"""Half widths, in frames, of the windows tried. They may be longer than the wipe, or a part of it."""
MIN_APART = 0.35
"""The ends of a window must differ by this part of their contrast: below it they are one picture."""
MAX_NEITHER = 0.28
"""Part of the change that the middle frame of a window leaves to neither end: wipes 0.02 to 0.25, blends about 0.4."""
MIN_SHARE = 0.2
"""Each end has at least this share of the middle frame."""
MAX_ALIKE = 0.8
"""Correlation of the frames before and after, above which they show one scene."""
SAME = 0.05
"""Pixels of a thumbnail are the same that differ by less than this part of the largest difference (98th percentile)."""
MIN_CHANGED = 0.6
"""Least part of the picture, without black bars, that a wipe changes: 0.65 and more. Things of one colour that move
over a ground of one colour, as in animations, change up to twice their area, 0.59 where they fill 0.3."""
MAX_AT_ONCE = 0.6
"""Largest part of the picture that may change within two frames: more is a cut, a lamp, or bars that appear."""
MIN_SCORE = 1.0
"""Log odds of a wipe, see `_score`."""
MIN_UNEXPLAINED = 0.35
"""Least part of the change in the middle of a wipe that motion leaves. It explains pans, zooms and what passes."""
MIDDLE = (0.375, 0.625)
"""The part over which motion is looked for, as in dissolves."""
MIN_SURE = 0.4
"""Regions with so much of the change are to be sure."""
MAX_DISORDER = 0.8
"""Neighbouring regions change at times so different from one another, see `Switches.disorder`; wipes stay below."""
ENOUGH_FRAMES = 16
"""So many frames of a window, evenly spread, tell when its regions change."""
MOST_RAMP = 6
"""A soft edge takes no longer, on either side, than this part of a wipe; what is mixed for longer moves."""
MIN_SPREAD = 0.3
"""Three quarters of the regions change over so much of the time of a wipe; in a dissolve all change at once."""


def is_wipe_seed(track: Track, half: int) -> bool:
    """Whether the middle frame of the window of 2 `half` + 1 newest frames is partly one end, partly the other."""
    newest = track.end - 1
    before, middle, after = (track.thumb(at) for at in (newest - 2 * half, newest - half, newest))
    from_before, from_after = cv2.absdiff(middle, before), cv2.absdiff(middle, after)
    neither = cv2.norm(cv2.min(from_before, from_after), cv2.NORM_L1)
    if neither > MAX_NEITHER * cv2.norm(before, after, cv2.NORM_L1):
        return False
    one, other = cv2.norm(from_before, cv2.NORM_L1), cv2.norm(from_after, cv2.NORM_L1)
    return min(one, other) > MIN_SHARE * (one + other)


def find_wipe(
    track: Track, middle: int, half: int, reach: int, stride: int, tried: deque[tuple[int, int]], known: int = 0
) -> tuple[int, int] | None:
    """The frames [start, end) of the wipe around `middle`, or None where the change is something else.

    `half` is the half width of the window that proposed it; `reach` bounds the search on each side, in frames. Spans in
    `tried` have been looked at, and are not again; new ones are put there. What ends by frame `known` has been found.
    """
    first, last = max(track.first, middle - reach), min(track.end - 1, middle + reach)
    if middle - half < first or correlation(track.thumb(middle - half), track.thumb(middle + half)) > MAX_ALIKE:
        return None
    span = _span(track, middle, half, first, last, tried)
    if span is None:
        return None
    before, after = span
    if after <= known:
        return None
    if track.is_solid(before) or track.is_solid(after) or not _is_wipe(track, before, after, stride):
        return None
    start, end = whole_extent(track, before, after, known if known <= before else 0)
    ends = max(track.first, start - 1), min(track.end - 1, end)
    return (start, end) if _changed(*track.thumbs_without_bars(*ends)) >= MIN_CHANGED else None


def whole_extent(track: Track, before: int, after: int, known: int = 0) -> tuple[int, int]:
    """The frames [start, end) of a wipe between two frames that are clean, or nearly so; those before `known` are not
    of it. It is looked at cell by cell: from a corner, and with an edge that eases, it begins in few of them.
    """
    longest = after - before  # on either side: what moves elsewhere must not lead it away
    least, most = max(track.first, known, before - longest), min(track.end - 1, after + longest)
    begin, end = before, after
    for _ in range(4):
        around = (end - begin) // 3
        first, last = max(least, begin - around), min(most, end + around)
        switches = switches_of(track.pictures(first, last + 1), CELLS)
        if not switches.sure.any():
            break
        start, stop = busy(switches.first_new[switches.sure])
        found = min(before, first + start - 1), max(after, first + stop)
        if found == (begin, end):
            break
        begin, end = found
    length = end - begin
    pad = 1 + min(switches.ramp, length // MOST_RAMP) + length // 8
    return max(track.first, known, begin + 1 - pad), min(track.end, end + pad)


def is_swept(track: Track, before: int, after: int) -> bool:
    """Whether the blend between two frames comes at different times in different regions: a wipe with a soft edge."""
    switches = switches_of(track.pictures(before, after + 1))
    if switches.weights[switches.sure].sum() < MIN_SURE:
        return False
    times = np.sort(switches.first_new[switches.sure])
    spread = int(times[-1 - len(times) // 8] - times[len(times) // 8])
    return spread > MIN_SPREAD * (after - before) and switches.disorder < MAX_DISORDER


def _span(
    track: Track, middle: int, half: int, first: int, last: int, tried: deque[tuple[int, int]]
) -> tuple[int, int] | None:
    """The last clean frame before and the first after, found by looking again from where the last look ended.

    None as well where a look would be one of those `tried`: all lead from there to the same span.
    """
    before, after = max(first, middle - half), min(last, middle + half)
    for _ in range(4):
        if after - before < 4 or (before, after) in tried:
            return None
        tried.append((before, after))
        every = max(1, (after - before) // ENOUGH_FRAMES)
        after -= (after - before) % every
        switches = switches_of(track.pictures(before, after + 1)[::every])
        if switches.weights[switches.sure].sum() < MIN_SURE or switches.disorder > MAX_DISORDER:
            return None
        start, end = together(switches.first_new[switches.sure])
        pad = 1 + switches.ramp
        found = max(first, before + (start - 1 - pad) * every), min(last, before + (end + pad) * every)
        if found == (before, after):
            break
        before, after = found
    return before, after


def _is_wipe(track: Track, before: int, after: int, stride: int) -> bool:
    """Whether the regions change one after the other, and nothing else explains it."""
    if after - before < 5 * stride:
        return False
    old, new = track.thumb(before), track.thumb(after)
    alike = correlation(old, new)
    if alike > MAX_ALIKE:
        return False
    thumbs = track.thumbs(before, after + 1)
    steps = np.linalg.norm(np.diff(thumbs, axis=0), axis=1)
    if steps.max() > MAX_AT_ONCE * cv2.norm(old, new) or _score(track, before, after, alike) < MIN_SCORE:
        return False
    early, late = (track.luma(before + round((after - before) * part)) for part in MIDDLE)
    return unexplained(early, late, match_light=True) > MIN_UNEXPLAINED


def _changed(old: Vector, new: Vector) -> float:
    """The part of two thumbnails' pixels that is not the same in both."""
    differences = np.abs(new - old).reshape(-1, 3).max(axis=1, initial=0.0)
    if not differences.size:
        return 0.0
    return float((differences > SAME * np.percentile(differences, 98)).mean())


def _score(track: Track, before: int, after: int, alike: float) -> float:
    """Log odds, by logistic regression, that regions change each once, in order, between two pictures."""
    frames = track.pictures(before, after + 1)
    looked = switches_of(frames)
    switches, weights = looked.first_new, looked.weights
    at_once = np.bincount(switches.ravel(), weights=weights.ravel())
    if max(at_once[:-1] + at_once[1:], default=1.0) > MAX_AT_ONCE:
        return -np.inf
    neither = np.minimum(np.abs(frames - frames[0]), np.abs(frames - frames[-1]))[1:-1].sum() / (len(frames) - 2)
    neither /= np.abs(frames[-1] - frames[0]).sum() + 1e-6
    spread = 1 / float((weights**2).sum() * weights.size + 1e-6)
    return (
        -2.9 * log(neither + 0.02)
        + 6.6 * spread
        - 5.5 * looked.disorder
        + 1.5 * log(_suddenness(frames, switches) + 1e-3)
        - 4.2 * alike
        - 4.5
    )


def _suddenness(frames: Vector, switches: Counts) -> float:
    """How much more a region changes when it switches than at other times, in RMS."""
    lag = max(1, len(frames) // 10)
    change = by_region(squares(frames[2 * lag :], frames[: -2 * lag]))
    at = np.clip(switches - lag, 0, len(change) - 1)
    on = np.take_along_axis(change, at[None], axis=0)[0]
    beside = np.abs(np.arange(len(change))[:, None, None] + lag + 0.5 - switches) > lag + 1
    times = beside.sum(axis=0)
    off = (change * beside).sum(axis=0)[times > 0] / times[times > 0]
    if off.size == 0:
        return 9.0
    return float(np.sqrt(on[times > 0].sum() / (off.sum() + 1e-6)))
