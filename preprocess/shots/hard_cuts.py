"""Hard cuts: PySceneDetect proposes them, and each proposal is looked at again with the frames around it.

AdaptiveDetector alone reports flashes and the jumps of fast or stuttering motion, and passes over cuts next to those.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from preprocess.shots.transitions import Track, Vector, correlation, unexplained

Frame = npt.NDArray[np.uint8]

DETECTORS = ("adaptive", "content")
ANSWER_FRAMES = 2
"""AdaptiveDetector compares a frame with two on each side, so it answers so many frames late."""
JUMP_LEVELS = 16.0
"""Mean YCbCr difference from the frame before at which a frame is proposed whatever its neighbours do. Over 175 cuts
between real shots 98 % have 21 and more; inside the shots, played twice as fast, 15.8 was the highest."""
FLASH_FRAMES = 6
"""A brightening after which the old picture is back within so many frames is a flash: photographers', lightning."""
FLASH_RISE = 8.0
"""Levels of mean luma by which a flash outshines the frames beside it."""
ALIKE = 0.5
"""Frames nearer to each other than this part of a flash's jump show the same picture."""
SAME_PICTURE = 0.85
"""Frames whose thumbnails correlate higher show one shot: over those 175 cuts the highest was 0.70."""
MAYBE_SAME_PICTURE = 0.4
"""Below it the thumbnails have so little in common that only a very fast pan makes one shot of them."""
SURELY_MOVED_PART = 0.35
"""What optical flow leaves of the difference after whip pans is 0.2 to 0.3; the lowest of those 175 cuts left 0.42."""
MOVED_PART = 0.5
"""What optical flow leaves of the difference, at and below which it was motion. Two in a hundred real cuts lie below
0.69; three quarters of the fast motions that resemble cuts lie below 0.42."""
STUTTER_FRAMES = 8
"""So far on both sides of a cut one looks for like steps."""
STUTTER_PART = 0.6
"""A step of at least this part of the jump is a like one; between real shots the jump is twice any step beside it."""


class _Content(ContentDetector):  # type: ignore[misc]
    """PySceneDetect's score (all three weights equal, no edges), without its detour over 32-bit integers: the same
    number in a third of the time."""

    _last_frame: Frame | None

    def _calculate_frame_score(self, timecode: int, frame_img: Frame) -> float:
        hsv = cv2.cvtColor(frame_img, cv2.COLOR_BGR2HSV)
        last, self._last_frame = self._last_frame, hsv
        return 0.0 if last is None else float(cv2.norm(hsv, last, cv2.NORM_L1)) / hsv.size


class _Adaptive(_Content, AdaptiveDetector):  # type: ignore[misc]
    """AdaptiveDetector with the quicker score."""


class CutProposer:
    """Every frame that may be the first of a shot, a few frames after it came."""

    def __init__(
        self,
        *,
        detector: str,
        adaptive_threshold: float,
        min_content: float,
        content_threshold: float,
    ) -> None:
        if detector not in DETECTORS:
            raise ValueError(f"detector is {detector!r}, allowed are {', '.join(DETECTORS)}")
        # The shortest shots are allowed: a second cut that is passed over would make an impure clip.
        if detector == "adaptive":
            self._detector: ContentDetector = _Adaptive(
                adaptive_threshold=adaptive_threshold, min_scene_len=1, min_content_val=min_content
            )
        else:
            self._detector = _Content(threshold=content_threshold, min_scene_len=0)
        self._count = 0
        self._proposed: set[int] = set()
        self._newest: Frame | None = None

    def push(self, frame_ycbcr: Frame) -> list[int]:
        """Take the next frame, full-range YCbCr, uint8 (h, w, 3); indices of proposed cuts, each once, in order."""
        luma, cb, cr = cv2.split(frame_ycbcr)
        bgr = cv2.cvtColor(cv2.merge((luma, cr, cb)), cv2.COLOR_YCrCb2BGR)
        # The detectors only compare and subtract times, so a frame's number serves; a FrameTimecode costs 20 us.
        self._proposed.update(self._detector.process_frame(self._count, bgr))
        if self._newest is not None:
            levels = cv2.norm(frame_ycbcr, self._newest, cv2.NORM_L1) / frame_ycbcr.size
            if levels > JUMP_LEVELS:
                self._proposed.add(self._count)
        self._newest = frame_ycbcr
        self._count += 1
        return self._release(self._count - 1 - ANSWER_FRAMES)

    def finish(self) -> list[int]:
        """The cuts proposed among the last frames."""
        return self._release(self._count)

    def _release(self, until: int) -> list[int]:
        released = sorted(cut for cut in self._proposed if cut <= until)
        self._proposed.difference_update(released)
        return released


def is_cut(track: Track, at: int, stride: int) -> bool:
    """Whether frame `at` shows another scene than the one before it, judged with the frames on both sides.

    False for flashes, and where the picture stays, however it was moved.
    """
    jump, alike = _step(track, at)
    if alike > SAME_PICTURE or _is_flash_edge(track, at, stride):
        return False
    difference = unexplained(track.luma(at - 1), track.luma(at), match_light=False)
    if difference <= (SURELY_MOVED_PART if alike < MAYBE_SAME_PICTURE else MOVED_PART):
        return False
    if alike < MAYBE_SAME_PICTURE:
        return True
    # Film of few pictures a second, stored with each one doubled, moves in steps, each of which stands out like a cut.
    beside = range(max(track.first + 1, at - STUTTER_FRAMES * stride), min(track.end, at + 1 + STUTTER_FRAMES * stride))
    steps = [_step(track, index) for index in beside if index != at]
    return sum(size > STUTTER_PART * jump and other > MAYBE_SAME_PICTURE for size, other in steps) < 2


def is_flash(track: Track, start: int, end: int, stride: int) -> bool:
    """Whether the solid frames [start, end) are a flash: the same picture stands before and after them."""
    if end - start > FLASH_FRAMES * stride or start <= track.first or end >= track.end:
        return False
    return _outshines(track.thumb((start + end) // 2), track.thumb(start - 1), track.thumb(end))


def _is_flash_edge(track: Track, at: int, stride: int) -> bool:
    """Whether the jump at frame `at` begins or ends a flash: the picture before it returns soon, or the one after it
    was there shortly before, and what lies between is brighter."""
    reach = FLASH_FRAMES * stride
    before, after = track.thumb(at - 1), track.thumb(at)
    later = range(at + 1, min(track.end, at + 1 + reach))
    earlier = range(max(track.first, at - 1 - reach), at - 1)
    return any(_outshines(after, before, track.thumb(index)) for index in later) or any(
        _outshines(before, track.thumb(index), after) for index in earlier
    )


def _step(track: Track, at: int) -> tuple[float, float]:
    """How far a frame lies from the one before it, and how alike they are."""
    before, after = track.thumbs_without_bars(at - 1, at)
    return cv2.norm(before, after), correlation(before, after)


def _outshines(flash: Vector, before: Vector, after: Vector) -> bool:
    """Whether `flash` is brighter than the pictures around it, which are alike."""
    rise = flash[::3].mean() - max(before[::3].mean(), after[::3].mean())
    return bool(rise > FLASH_RISE and cv2.norm(before, after) < ALIKE * cv2.norm(flash, before))
