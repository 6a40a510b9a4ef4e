"""Dissolves: blends of two shots, told from pans, objects that pass, and changing light.

Halfway through a blend of still pictures stands exactly their mean; where things move, halfway stands a third picture.
Thresholds were set on real shots spliced with 6-48 frames of linear dissolve, fast motion and stutter among them,
against the same shots without, pans and zooms over stills, objects that pass, and pumping exposure.
"""

from __future__ import annotations

import cv2
import numpy as np

from preprocess.shots.transitions import VALLEY_CONTRAST, Track, Vector, correlation, plateau, unexplained

HALF_WIDTHS = (3, 6, 12, 20)
"""Half widths, in frames, of the windows tried: a blend's middle frame is the mean of a window's ends."""
MIN_RMS = 5.0
"""The ends of a window must differ by this many levels (RMS over the thumbnail), or noise decides."""
MAX_MIDWAY_ERROR = 0.4
"""Distance of the middle frame from the mean of the ends, over the distance of the ends: 0 in a blend of still
pictures; an object that moves, or a pan, gives 0.5 and more."""
SAME_SCENE = 0.85
"""Correlation of the frames before and after, above which there is no other shot to dissolve to."""
MAX_LENGTH = 4 / 3
"""Longest dissolve over the reach of the search: 80 frames at up to 30 a second. Longer ones are mostly slow motion."""
MAX_UNEVENNESS = 0.2
"""Largest gap between the later shot's share and even growth; a smooth-step ease stays below 0.1."""
MIN_STRUCTURE = 8.0
"""Half of the picture must change by this many levels of luma beyond any common brightening; exposure that follows an
object changes less than 4, real dissolves 24 and more."""
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
    """(middle frame, half width) of windows up to the newest frame whose middle is nearly the mean of both ends."""
    newest = track.end - 1
    seeds = []
    for half in (width * stride for width in HALF_WIDTHS):
        if newest - 2 * half < track.first:
            break
        before, after = track.thumb(newest - 2 * half), track.thumb(newest)
        apart = cv2.norm(before, after, cv2.NORM_L2)
        if apart < MIN_RMS * before.size**0.5:
            continue
        mean = cv2.addWeighted(before, 0.5, after, 0.5, 0.0).reshape(-1)
        if cv2.norm(mean, track.thumb(newest - half), cv2.NORM_L2) < MAX_MIDWAY_ERROR * apart:
            seeds.append((newest - half, half))
    return seeds


def find_dissolve(track: Track, middle: int, half: int, reach: int) -> tuple[int, int] | None:
    """The frames [start, end) of the blend around `middle`, or None where the change is something else.

    `half` is the half width of the window that proposed it; `reach` bounds the search on each side, in frames.
    """
    start, end = max(track.first, middle - reach), min(track.end, middle + reach + 1)
    if _is_one_scene(track, max(start, middle - reach // 2), min(end - 1, middle + reach // 2)):
        return None
    thumbs = track.thumbs(start, end)
    before, after = _walk(thumbs, middle - start, half)
    if not 2 <= after - before <= MAX_LENGTH * reach or not _is_blend(track, start + before, start + after):
        return None
    # Motion can stop a walk early; walks from elsewhere in the blend go on, and a few clean frames are cheap to lose.
    length = after - before
    walks = [_walk(thumbs, before + length * quarter // 4, max(1, length // 2)) for quarter in (1, 2, 3)]
    before = min(before, *(max(earliest, before - length // 2) for earliest, _ in walks))
    after = max(after, *(min(latest, after + length // 2) for _, latest in walks))
    # Eased ends and motion hide the last few shares of a blend.
    pad = 1 + (after - before) // 16
    return start + max(0, before + 1 - pad), min(track.end, start + after + pad)


def _is_one_scene(track: Track, before: int, after: int) -> bool:
    """Whether two frames are too much alike for a dissolve or half a fade between them."""
    faint, strong = sorted((track.contrast(before), track.contrast(after)))
    return faint > VALLEY_CONTRAST * strong and correlation(track.thumb(before), track.thumb(after)) > SAME_SCENE


def _walk(thumbs: Vector, at: int, half: int) -> tuple[int, int]:
    """The clean frames before and after the blend around frame `at`, as indices into `thumbs`."""
    direction = thumbs[min(len(thumbs) - 1, at + half)] - thumbs[max(0, at - half)]
    before = after = at
    for _ in range(2):  # once along the window's direction, once along that of the whole blend
        shares = thumbs @ direction  # of all frames first, then less that of one: half the memory of the other way
        along = (shares - shares[at]) / (np.linalg.norm(direction) * direction.size**0.5 + 1e-6)
        before, after = at - plateau(-along[at::-1], floor=0.0), at + plateau(along[at:], floor=0.0)
        direction = thumbs[after] - thumbs[before]
    return before, after


def _is_blend(track: Track, before: int, after: int) -> bool:
    """Whether each frame in between mixes the two, in shares that grow evenly, all over the picture."""
    thumbs = track.thumbs(before, after + 1)
    direction = thumbs[-1] - thumbs[0]
    length = float(np.linalg.norm(direction)) + 1e-6
    inner = thumbs[1:-1] - thumbs[0]
    share = inner @ direction / length**2
    uneven = np.abs(share - np.arange(1, len(inner) + 1) / (len(inner) + 1)).max()
    luma = direction[::3]
    if uneven > MAX_UNEVENNESS or np.median(np.abs(luma - luma.mean())) < MIN_STRUCTURE:
        return False
    astray = np.abs(inner - share[:, None] * direction)
    residual = np.median(np.linalg.norm(astray, axis=1)) / length
    changed = np.abs(direction) > length / direction.size**0.5
    strays = (astray[len(inner) // 2] > 0.3 * np.abs(direction))[changed].mean()
    if residual > 0.37 or strays > 0.37:
        return False
    faint, strong = sorted((track.contrast(before), track.contrast(after)))
    is_half_fade = faint < VALLEY_CONTRAST * strong  # nothing but a change of light, so light must not explain it
    early, late = (track.luma(before + round((after - before) * part)) for part in MIDDLE)
    difference = unexplained(early, late, match_light=not is_half_fade)
    if difference < MIN_UNEXPLAINED:
        return False
    alike = correlation(thumbs[0], thumbs[-1])
    if not is_half_fade and alike > SAME_LIGHT_CORRELATION:
        return bool(alike < SAME_SCENE and residual < 0.25 and strays < 0.2 and uneven < 0.1)
    much_motion_within = not is_half_fade and difference > SURELY_UNEXPLAINED
    return bool(much_motion_within or (residual < 0.3 and strays < 0.25))
