"""Light that changes for a few frames: a flash within one shot is no cut, one that hides a cut is.

What counts is the picture before the bright or dark frames and the one after them, whatever light they stand in.
"""

from __future__ import annotations

from preprocess.shots.fades import passes_solid
from preprocess.shots.likeness import correlation, relit, unexplained
from preprocess.shots.track import Track

FLASH_FRAMES = 6
"""Light that has come back within so many frames, at up to 30 a second, was a flash or a dip."""
LIGHT_STEP = 8.0
"""Levels of mean luma between two frames from which light may have changed; motion alone seldom moves it by 3."""
BEYOND = 4.0
"""Levels by which each frame of a flash outshines both pictures beside it, or a dip is darker than both."""
SAME_PICTURE = 0.85
"""Frames whose thumbnails correlate higher show one shot: over 175 cuts between real shots the highest was 0.70."""
OTHER_PICTURE = 0.4
"""Frames whose thumbnails correlate less show two shots, unless a very fast pan lies between them."""
SAME_PART = 0.5
"""Between those two, the part of what differs in the same light that may be left once motion is undone."""
FAINT = 0.5
"""A frame inside a flash or dip shows one of the pictures beside it, or less than this part of their contrast."""
GONE = 0.12
"""A dip that leaves more than this part of the contrast, with one shot on both sides, is a light that goes out."""

RISE = 20.0
"""Levels of mean luma by which an explosion or a lamp at least brightens a picture."""
SEEN = 0.25
"""Light in which a picture can be compared leaves this part of its contrast."""


def same_picture(track: Track, first: int, second: int) -> bool:
    """Whether two frames show one shot, in whatever light."""
    if track.is_solid(first) or track.is_solid(second):
        return False
    alike = correlation(*track.thumbs_without_bars(first, second))
    if not OTHER_PICTURE < alike <= SAME_PICTURE:
        return alike > SAME_PICTURE
    later = track.luma(second)
    return unexplained(relit(track.luma(first), later), later, match_light=False) <= SAME_PART


def returns(track: Track, at: int, stride: int) -> int | None:
    """The first frame at which the shot before frame `at`, where light changes, stands in its own light again.

    None where it does not within a flash's time, or where what lies between is no change of light.
    """
    return next((end for end in _ends(track, at, stride) if same_picture(track, at - 1, end)), None)


def light_changes(track: Track, at: int) -> bool:
    """Whether frame `at` stands in another light than the one before it."""
    return at > track.first and abs(track.level(at) - track.level(at - 1)) > LIGHT_STEP


def is_flash(track: Track, start: int, end: int, solid: tuple[int, int], stride: int) -> bool:
    """Whether bright solid frames [solid[0], solid[1]) are a flash: the same picture stands before and after them.

    [start, end) takes in the faded frames beside them. Motion prolongs it; where there are none, the solid ones count.
    """
    if start <= track.first or end >= track.end:
        return False
    first, stop = solid
    abrupt = all(
        track.contrast(near) > FAINT * track.contrast(far) for near, far in ((first - 1, start - 1), (stop, end))
    )
    spans = [(start, end)] + [solid] * abrupt
    return any(
        stop - first <= FLASH_FRAMES * stride
        and _outshines(track, solid[0], first - 1, stop)
        and same_picture(track, first - 1, stop)
        for first, stop in spans
    )


def is_change_of_light(track: Track, start: int, faintest: int, end: int) -> bool:
    """Whether one shot stands before and after the frames [start, end), which light makes faint, and no fade does.

    A fade to black and back within one shot is told by how little of the picture is left; brightness alone is light,
    such as an explosion's.
    """
    seen = [faintest + (end - faintest) * part // 8 for part in (2, 4, 6, 8)]
    if not any(_is_seen(track, at, start - 1) and same_picture(track, start - 1, at) for at in seen):
        return False
    left = track.contrast(faintest) / max(1e-6, min(track.contrast(start - 1), track.contrast(end)))
    return left > GONE or _outshines(track, faintest, start - 1, end)


def shines_over(track: Track, start: int, end: int, reach: int) -> bool:
    """Whether the frames [start, end) of a blend lead into brightness, out of it, or through it, in a single shot."""
    before, step = start - 1, max(1, reach // 12)
    if before < track.first or end >= track.end:
        return False
    if passes_solid(track, start, end):
        inside = track.contrasts(start, end)
        return is_change_of_light(track, start, start + inside.index(min(inside)), end)
    if abs(track.level(end) - track.level(before)) < RISE:
        return False
    rises = track.level(end) > track.level(before)
    dim = before if rises else end
    others = (
        range(end, min(track.end, end + reach), step)
        if rises
        else range(before, max(track.first, before - reach), -step)
    )
    return any(_is_seen(track, at, dim) and same_picture(track, dim, at) for at in others)


def hidden_cut(track: Track, at: int, stride: int) -> int | None:
    """The first clean frame of a later shot whose beginning bright or dark frames hide, of which `at` is the first."""
    ends = [end for end in _ends(track, at, stride) if _is_light_alone(track, at, end)]
    if not ends or any(same_picture(track, at - 1, end) for end in ends):
        return None
    return _settled(track, ends[-1], stride)


def _settled(track: Track, end: int, stride: int) -> int:
    """The first frame from `end` on at which the light of its picture has stopped changing: it may fade from less than
    the picture before had."""
    for at in range(end + 1, min(track.end, end + 1 + FLASH_FRAMES * stride)):
        if light_changes(track, at) and correlation(track.thumb(end), track.thumb(at)) > SAME_PICTURE:
            end = at
    return end


def _is_seen(track: Track, at: int, beside: int) -> bool:
    """Whether a frame has enough contrast to be compared with another one."""
    return track.contrast(at) > SEEN * track.contrast(beside)


def _outshines(track: Track, flash: int, before: int, after: int) -> bool:
    return track.level(flash) > max(track.level(before), track.level(after)) + BEYOND


def _ends(track: Track, at: int, stride: int) -> list[int]:
    """Where light that changes at frame `at` may be over: all frames from there on are brighter, or all darker, than
    the pictures before and after."""
    if at <= track.first:
        return []
    level = track.level(at - 1)
    sign = 1 if track.level(at) > level else -1
    ends, least = [], float("inf")
    for end in range(at + 1, min(track.end, at + 1 + FLASH_FRAMES * stride)):
        least = min(least, sign * track.level(end - 1))
        if least <= sign * level + BEYOND:
            break
        if least > sign * track.level(end) + BEYOND and light_changes(track, end):
            ends.append(end)
    return ends


def _is_light_alone(track: Track, start: int, end: int) -> bool:
    """Whether each of the frames [start, end) is faint, or shows the picture before or the one after them."""
    before, after = track.thumb(start - 1), track.thumb(end)
    faint = FAINT * min(track.contrast(start - 1), track.contrast(end))
    return all(
        track.contrast(at) < faint or max(correlation(track.thumb(at), side) for side in (before, after)) > SAME_PICTURE
        for at in range(start, end)
    )
