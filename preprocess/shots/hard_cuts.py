"""Hard cuts: each that was proposed (`preprocess.shots.proposals`) is looked at again with the frames around it.

AdaptiveDetector alone reports flashes and the jumps of fast or stuttering motion, and passes over cuts next to those.
"""

from __future__ import annotations

import cv2
import numpy as np

from preprocess.median import median
from preprocess.shots.flashes import SAME_PICTURE, hidden_cut, light_changes, same_picture
from preprocess.shots.likeness import correlation, unexplained
from preprocess.shots.reframed import is_reframed
from preprocess.shots.track import BLACK_LEVEL, Plane, Track

MAYBE_SAME_PICTURE = 0.4
"""Below it the thumbnails have so little in common that only a very fast pan makes one shot of them."""
SURELY_MOVED_PART = 0.35
"""What optical flow leaves of the difference after whip pans is 0.2 to 0.3; the lowest of those 175 cuts left 0.42."""
MOVED_PART = 0.5
"""What optical flow leaves of the difference, at and below which it was motion. Two in a hundred real cuts lie below
0.69; three quarters of the fast motions that resemble cuts lie below 0.42."""
MAYBE_CUT = 0.75
"""Frames whose thumbnails correlate less than this are proposed, however grey, dark or foggy both are. Over 120 pairs
of real shots, also without colour and with 0.05 to 1 of their contrast, the highest correlation was 0.75."""
MIN_STEP = 1.0
"""Levels by which such frames differ at least (RMS), or grain decides."""
INSERT_FRAMES = 3
"""So few frames of something else, at up to 30 a second, are damage or an insert; the shot goes on after them."""
MIN_PICTURE = 0.5
"""Bars leave at least this part of the picture."""
MIN_CHANGE = 0.02
"""1 less the correlation of two frames, from which a jump within one take may be seen."""
STANDS_OUT = 2.5
"""A jump's change, as a length, over the second largest near it. Shots as they are, shaken, stuttering, frozen, played
three times as fast, panned and zoomed in bursts reach 1.1 to 2.5, frames left out for 0.3 s 2 to 4; of jumps by 0.75 s
and more that move most of the picture, reframings and flips two in three have 2.5 and more."""
MAYBE_STANDS_OUT = 1.5
"""The same, over which a picture may have been reframed."""
STILL = 0.0004
"""Change of a frame that is taken for still: of grain and compression alone."""
STILL_PART = 0.2
"""Half of the picture changes by less than this part of its own texture where most of it stands still; over cuts
between real shots it changes by 0.5 and more."""
ALL_MOVED = 4.0
"""Where half of the picture changes by so many times as much as in any frame near it, all of it has jumped, and what
comes into it is no inset."""
PAGE_FRAMES = 5
PAGE_CHANGE = 0.002
"""Screens that are read stand still, up to this change, for so many frames before and after a page is replaced ..."""
MUCH = 0.25
BLOCK_CHANGES = 0.1
MOST_BLOCKS = 8
"""... and fewer of 4 x 4 blocks than this have a tenth of their pixels changed by a quarter of the contrast."""
DIM_CONTRAST = 16.0
"""Contrast of a thumbnail, in levels, below which motion is looked for in a brightened picture."""
STUTTER_FRAMES = 8
"""So far on both sides of a cut one looks for like steps."""
STUTTER_PART = 0.6
"""A step of at least this part of the jump is a like one; between real shots the jump is twice any step beside it."""


def is_suspect(track: Track, at: int, stride: int) -> bool:
    """Whether frame `at`, the newest, may open a shot: it has little in common with the one before it, or changes more
    than all before it did, or stands in another light."""
    if at <= track.first:
        return False
    if track.alike(at) >= 1 - MIN_CHANGE:
        return light_changes(track, at)
    if light_changes(track, at) or _stands_out(track, at, stride, MAYBE_STANDS_OUT):
        return True
    before, after = track.thumb(at - 1), track.thumb(at)
    return track.alike(at) < MAYBE_CUT and cv2.norm(before, after) > MIN_STEP * before.size**0.5


def between_cuts(track: Track, span: tuple[int, int], at: int, stride: int) -> tuple[int, int]:
    """The part around frame `at` of a wipe's frames that no cut divides or touches: wipes are all of small steps."""
    start, end = span
    cuts = [
        index for index in range(start + 1, end) if track.alike(index) < MAYBE_CUT and _stands_out(track, index, stride)
    ]
    return max([start, *(cut + 2 for cut in cuts if cut <= at)]), min([end, *(cut - 2 for cut in cuts if cut > at)])


def find_cut(track: Track, at: int, stride: int) -> tuple[int, int] | None:
    """The frames [start, end) between two shots where frame `at` is proposed as a cut, start == end for a plain one.

    They are not empty where bright or dark frames hide the cut, or where a few frames of something else interrupt a
    shot. None where the picture stays, however it was moved.
    """
    end = hidden_cut(track, at, stride)
    if end is not None:
        return at, end
    if not _is_cut(track, at, stride):
        return None
    later = range(at + 1, min(track.end, at + 1 + INSERT_FRAMES * stride))
    back = next((index for index in later if _step(track, index)[1] <= SAME_PICTURE), None)
    return at, back if back is not None and same_picture(track, at - 1, back) else at


def _is_cut(track: Track, at: int, stride: int) -> bool:
    """Whether frame `at` shows another scene than the one before it, judged with the frames on both sides."""
    if _bars_change(track, at) or _most_stays(track, at):
        return False
    is_light = _step(track, at)[1] > SAME_PICTURE and light_changes(track, at)
    if not is_light and _stands_out(track, at, stride):
        return True
    return _is_other_picture(track, at, stride) or is_reframed(track, at, stride)


def _is_other_picture(track: Track, at: int, stride: int) -> bool:
    """Whether neither light nor motion makes frame `at` of the one before it."""
    jump, alike = _step(track, at)
    if alike > SAME_PICTURE:
        return False
    difference = unexplained(*_lit(track, at), match_light=False)
    if difference <= (SURELY_MOVED_PART if alike < MAYBE_SAME_PICTURE else MOVED_PART):
        return False
    if alike < MAYBE_SAME_PICTURE:
        return True
    # Film of few pictures a second, stored with each one doubled, moves in steps, each of which stands out like a cut.
    beside = range(max(track.first + 1, at - STUTTER_FRAMES * stride), min(track.end, at + 1 + STUTTER_FRAMES * stride))
    steps = [_step(track, index) for index in beside if index != at]
    return sum(size > STUTTER_PART * jump and other > MAYBE_SAME_PICTURE for size, other in steps) < 2


def _stands_out(track: Track, at: int, stride: int, times: float = STANDS_OUT) -> bool:
    """Whether the picture changes at frame `at` by much more than anywhere near it, as far as frames are there.

    A jump within one take, to another time, size or part of it, has motion that flow explains; but it comes alone,
    where motion of any kind goes on. How alike two frames are tells it in any light.
    """
    if track.alike(at) >= 1 - MIN_CHANGE:
        return False
    reach = STUTTER_FRAMES * stride
    before, after = track.changes(at - reach, at), track.changes(at + 1, at + 1 + reach)
    if len(before) < 3:
        return False
    beside = sorted(before + after)[-2]  # the highest may be the far edge of a foreign frame
    return 1 - track.alike(at) > times**2 * max(beside, STILL)


def _bars_change(track: Track, at: int) -> bool:
    """Whether bars come or go at frame `at`, and the picture within them stays."""
    lit = (track.pictures(at - 1, at + 1)[..., 0] > BLACK_LEVEL).astype(np.uint8)
    rows, columns = lit.max(axis=2), lit.max(axis=1)
    if np.array_equal(rows[0], rows[1]) and np.array_equal(columns[0], columns[1]):
        return False
    before, after = track.thumbs_without_bars(at - 1, at, of_either=True)
    return before.size >= MIN_PICTURE * track.thumb(at).size and correlation(before, after) > SAME_PICTURE


def _most_stays(track: Track, at: int) -> bool:
    """Whether most of the picture stands still while some of it, in one place, changes much: a subtitle at night, or
    an inset. A page that replaces another one leaves much of its ground as it was, but changes all over at one time."""
    before, after = track.pictures(at - 1, at + 1)[..., 0]
    change = np.abs(after - before)
    texture = min(median(np.abs(side - median(side))) for side in (before, after))
    still = median(change)
    if still >= STILL_PART * texture > 0 or still > ALL_MOVED * max(MIN_STEP, _usual_change(track, at)):
        return False
    around = track.changes(at - PAGE_FRAMES, at) + track.changes(at + 1, at + 1 + PAGE_FRAMES)
    if max(around, default=1.0) > PAGE_CHANGE:
        return True
    much = change > MUCH * max(track.contrast(at - 1), track.contrast(at))
    blocks = cv2.resize(much.astype(np.float32), (4, 4), interpolation=cv2.INTER_AREA)
    return int((blocks > BLOCK_CHANGES).sum()) < MOST_BLOCKS


def _usual_change(track: Track, at: int) -> float:
    """Median change of luma, in levels, in the frame near `at` in which it is largest, `at` itself left out."""
    sides = (track.pictures(max(track.first, at - PAGE_FRAMES), at), track.pictures(at, at + PAGE_FRAMES))
    steps = [np.abs(np.diff(side[..., 0], axis=0)) for side in sides if len(side) > 1]
    return max((float(np.median(each.reshape(len(each), -1), axis=1).max()) for each in steps), default=0.0)


def _lit(track: Track, at: int) -> tuple[Plane, Plane]:
    """The lumas of frame `at` and the one before it; dim ones smoothed and made brighter, lest grain hides motion."""
    before, after = track.luma(at - 1), track.luma(at)
    contrast = max(track.contrast(at - 1), track.contrast(at))
    if contrast > DIM_CONTRAST:
        return before, after
    gain = 2 * DIM_CONTRAST / max(0.5, contrast)
    level = (track.level(at - 1) + track.level(at)) / 2
    smooth = (cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 1.5) for plane in (before, after))
    first, second = (np.clip((plane - level) * gain + 128, 0, 255).astype(np.uint8) for plane in smooth)
    return first, second


def _step(track: Track, at: int) -> tuple[float, float]:
    """How far a frame lies from the one before it, and how alike they are."""
    before, after = track.thumbs_without_bars(at - 1, at)
    return cv2.norm(before, after), correlation(before, after)
