"""Dissolves: blends of two shots, told from pans, objects that pass, and changing light.

Halfway through a blend of still pictures stands exactly their mean; where things move, halfway stands a third picture.
Thresholds were set on real shots spliced with 6-48 frames of linear dissolve, fast motion and stutter among them,
against the same shots without, pans and zooms over stills, objects that pass, and pumping exposure.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from preprocess.median import median
from preprocess.shots.fades import VALLEY_CONTRAST, extent, slope_frames
from preprocess.shots.likeness import correlation, unexplained
from preprocess.shots.track import Track, Vector

HALF_WIDTHS = (3, 6, 12, 20)
"""Half widths, in frames, of the windows tried: a blend's middle frame is the mean of a window's ends."""
MIN_RMS = (5.0, 0.15)
"""The ends of a window must differ by so many levels, RMS over the thumbnail, or by this part of their contrast where
that is less, as at night."""
MIN_LEVELS = 1.0
"""And by so many levels in any case, or noise decides: grain moves a thumbnail by 0.2 to 0.5, even in the dark."""
MAX_MIDWAY_ERROR = 0.4
"""Distance of the middle frame from the mean of the ends, over the distance of the ends: 0 in a blend of still
pictures; an object that moves, or a pan, gives 0.5 and more."""
SAME_SCENE = 0.85
"""Correlation of the frames before and after, above which there is no other shot to dissolve to."""
MAX_LENGTH = 4 / 3
"""Longest dissolve over the reach of the search: 80 frames at up to 30 a second. Longer ones are mostly slow motion."""
MAX_UNEVENNESS = 0.2
"""Largest gap between the later shot's share and even growth; a smooth-step ease stays below 0.1."""
MIN_STRUCTURE = (8.0, 0.2)
"""Half of the picture must change by so many levels of luma beyond any common brightening, or by this part of the
contrast where that is less; exposure that follows an object changes less than half as much, dissolves thrice."""
TAIL = 0.08
"""Shares of either shot that are not followed further outwards."""
MAX_TAIL = 0.5
"""Of the blend's own length: a walk that runs on for longer has followed something else, such as a slow pan."""
MIN_STEPS = 3
"""A blend has at least two frames that are mixed."""
NO_FIELD = 0.12
"""Part of the contrast of the clean end that flat fields have more of."""
MIN_HALF_CORRELATION = 0.7
"""Correlation of half a fade's middle frame with the clean one beside it; of a pan's to a flat field 0.2 to 0.6."""
SAME_LIGHT_CORRELATION = 0.6
"""Ends that correlate higher are one scene, unless the blend between them is nearly perfect."""
MIDDLE = (0.375, 0.625)
"""The part of a blend over which motion is looked for: short enough to be followed, long enough to show the blend."""
MIN_UNEXPLAINED = 0.3
"""Least part of the change over that middle which neither motion nor light explains. Real dissolves leave 0.36 and
more (95 % leave 0.46), pans over soft pictures 0.12 to 0.26."""
SURELY_UNEXPLAINED = 0.6
"""From here on the change is no motion, so that motion within the two shots is allowed for."""


def blend_seeds(track: Track, stride: int) -> list[tuple[int, int]]:
    """(middle frame, half width) of windows up to the newest frame whose middle is nearly the mean of both ends.

    A blend is proposed by many frames around its middle; looking at every second one finds it in half the time.
    """
    newest = track.end - 1
    seeds = []
    for half in (width * stride for width in HALF_WIDTHS):
        if newest - 2 * half < track.first:
            break
        if (newest - half) % 2:
            continue
        before, after = track.thumb(newest - 2 * half), track.thumb(newest)
        apart = cv2.norm(before, after, cv2.NORM_L2)
        contrast = max(track.contrast(newest - 2 * half), track.contrast(newest))
        if apart < _levels(MIN_RMS, contrast) * before.size**0.5:
            continue
        mean = cv2.addWeighted(before, 0.5, after, 0.5, 0.0).reshape(-1)
        if cv2.norm(mean, track.thumb(newest - half), cv2.NORM_L2) < MAX_MIDWAY_ERROR * apart:
            seeds.append((newest - half, half))
    return seeds


def find_dissolve(
    track: Track, middle: int, half: int, reach: int, tried: deque[tuple[int, int]]
) -> tuple[int, int] | None:
    """The frames [start, end) of the blend around `middle`, or None where the change is something else.

    `half` is the half width of the window that proposed it; `reach` bounds the search on each side, in frames. Spans in
    `tried` are none, and what is found to be none is put there.
    """
    start, end = max(track.first, middle - reach), min(track.end, middle + reach + 1)
    if _is_one_scene(track, max(start, middle - reach // 2), min(end - 1, middle + reach // 2)):
        return None
    thumbs = track.thumbs(start, end)
    slope = slope_frames(reach)
    before, after = extent(thumbs, middle - start, half, slope)
    walked = start + before, start + after
    if not 2 <= after - before <= MAX_LENGTH * reach or walked in tried:
        return None
    if not _is_blend(track, *walked):
        tried.append(walked)
        return None
    # Motion can stop a walk early; walks from elsewhere in the blend go on, and a few clean frames are cheap to lose.
    length = after - before
    walks = [extent(thumbs, before + length * quarter // 4, max(1, length // 2), slope) for quarter in (1, 2, 3)]
    before = min(before, *(max(earliest, before - length // 2) for earliest, _ in walks))
    after = max(after, *(min(latest, after + length // 2) for _, latest in walks))
    # Eased ends and motion hide the last few shares of a blend.
    pad = 1 + (after - before) // 16
    return start + max(0, before + 1 - pad), min(track.end, start + after + pad)


def _is_one_scene(track: Track, before: int, after: int) -> bool:
    """Whether two frames are too much alike for a dissolve or half a fade between them."""
    faint, strong = sorted((track.contrast(before), track.contrast(after)))
    return faint > VALLEY_CONTRAST * strong and correlation(track.thumb(before), track.thumb(after)) > SAME_SCENE


def _is_blend(track: Track, before: int, after: int) -> bool:
    """Whether each frame in between mixes the two, in shares that grow evenly, all over the picture."""
    faint, strong = sorted((track.contrast(before), track.contrast(after)))
    thumbs = track.thumbs(before, after + 1)
    direction = thumbs[-1] - thumbs[0]
    length = float(np.linalg.norm(direction)) + 1e-6
    along = thumbs @ direction
    share = (along[1:-1] - along[0]) / length**2
    uneven = _unevenness(share)
    luma = direction[::3]
    if uneven > MAX_UNEVENNESS or median(np.abs(luma - luma.mean())) < _levels(MIN_STRUCTURE, strong):
        return False
    middle = len(share) // 2
    changed = np.abs(direction) > length / direction.size**0.5
    astray = np.abs(thumbs[1 + middle] - thumbs[0] - share[middle] * direction)
    strays = (astray > 0.3 * np.abs(direction))[changed].mean()
    if strays > 0.37:
        return False
    inner = thumbs[1:-1] - thumbs[0]
    inner -= share[:, None] * direction
    residual = median(np.linalg.norm(inner, axis=1)) / length
    if residual > 0.37:
        return False
    is_half_fade = faint < VALLEY_CONTRAST * strong  # nothing but a change of light, so light must not explain it
    if is_half_fade and not _fades_alone(track, before, after):
        return False
    alike = correlation(thumbs[0], thumbs[-1])
    if not is_half_fade and alike > SAME_LIGHT_CORRELATION:
        if not (alike < SAME_SCENE and residual < 0.25 and strays < 0.2 and uneven < 0.1):
            return False
        least = MIN_UNEXPLAINED
    elif residual < 0.3 and strays < 0.25:
        least = MIN_UNEXPLAINED
    elif is_half_fade:
        return False
    else:
        least = SURELY_UNEXPLAINED  # from here on there is much motion within the two shots
    begin, end = (before + round((after - before) * part) for part in MIDDLE)
    if begin == end:  # of four frames; of three there is but one in the middle
        begin, end = begin - 1, end + 1
    return unexplained(track.luma(begin), track.luma(end), match_light=not is_half_fade) >= least


def _fades_alone(track: Track, before: int, after: int) -> bool:
    """Whether halfway through half a fade stands the same picture, only fainter: a pan to a flat field shows others.
    What has next to no contrast is no field."""
    clean, faint = (before, after) if track.contrast(before) > track.contrast(after) else (after, before)
    if track.contrast(faint) < NO_FIELD * track.contrast(clean):
        return True
    return correlation(track.thumb(clean), track.thumb((before + after) // 2)) > MIN_HALF_CORRELATION


def _levels(least: tuple[float, float], contrast: float) -> float:
    """A bound in levels, or as part of the contrast where that is less."""
    return max(MIN_LEVELS, min(least[0], least[1] * contrast))


def _unevenness(share: Vector) -> float:
    """Largest gap between the later shot's share, frame by frame, and even growth; 1 where it does not grow at all.

    What comes before the first and after the last few shares is left out: at a low bitrate the picture settles for some
    frames after a blend, so that a walk runs on.
    """
    begun = np.flatnonzero(share < TAIL)
    early = int(begun[-1]) if begun.size else -1
    done = np.flatnonzero(share[early + 1 :] > 1 - TAIL)
    late = int(done[0]) + early + 1 if done.size else len(share)
    if late - early < MIN_STEPS or max(early + 1, len(share) - late) > MAX_TAIL * (late - early):
        return 1.0
    first = 0.0 if early < 0 else float(share[early])
    last = 1.0 if late == len(share) else float(share[late])
    even = np.linspace(first, last, late - early + 1)[1:-1]
    return float(np.abs(share[early + 1 : late] - even).max())
