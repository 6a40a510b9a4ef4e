"""Frames that may be the first of a shot: PySceneDetect's proposals, and all that change much.

PySceneDetect scores differences in HSV, which costs more than all else here. Its score is worked out where its answer
can be yes, and is not yes already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from scenedetect.detectors import AdaptiveDetector, ContentDetector

Frame = npt.NDArray[np.uint8]

DETECTORS = ("adaptive", "content")
ANSWER_FRAMES = 2
"""AdaptiveDetector compares a frame with two on each side, so it answers so many frames late."""
JUMP_LEVELS = 16.0
"""Mean YCbCr difference from the frame before at which a frame is proposed whatever its neighbours do. Over 175 cuts
between real shots 98 % have 21 and more; inside the shots, played twice as fast, 15.8 was the highest."""
MAYBE_JUMP_LEVELS = 4.0
"""The same, up to which PySceneDetect is not asked: it would say yes to dim pictures alone, of whose hue noise decides.
Dim cuts are found by how little the pictures are alike."""


class _Content(ContentDetector):  # type: ignore[misc]
    """PySceneDetect's rule over scores that are known: those of `score_of` by the frame's number."""

    score_of: Callable[[int], float]

    def _calculate_frame_score(self, timecode: int, frame_img: Frame) -> float:
        return self.score_of(timecode)


class _Adaptive(_Content, AdaptiveDetector):  # type: ignore[misc]
    """The same of AdaptiveDetector."""


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
        self._adaptive_threshold = adaptive_threshold if detector == "adaptive" else None
        self._least = min_content if detector == "adaptive" else content_threshold
        self._count = 0
        self._proposed: set[int] = set()
        self._asked: set[int] = set()
        self._newest: deque[Frame] = deque(maxlen=2 * ANSWER_FRAMES + 2)
        self._hsv: dict[int, Frame] = {}
        self._scores: dict[int, float] = {}

    def push(self, frame_ycbcr: Frame, *, suspect: bool = False) -> list[int]:
        """Take the next frame, full-range YCbCr, uint8 (h, w, 3); indices of proposed cuts, each once, in order.

        A `suspect` frame is proposed whatever is found here.
        """
        levels = 0.0
        if self._newest:
            levels = cv2.norm(frame_ycbcr, self._newest[-1], cv2.NORM_L1) / frame_ycbcr.size
        self._newest.append(frame_ycbcr)
        if suspect or levels > JUMP_LEVELS:
            self._proposed.add(self._count)
        elif levels > MAYBE_JUMP_LEVELS:
            self._asked.add(self._count)
        self._count += 1
        due = self._count - 1 - ANSWER_FRAMES
        if due in self._asked:
            self._asked.remove(due)
            if self._is_proposed(due):
                self._proposed.add(due)
        return self._release(due)

    def finish(self) -> list[int]:
        """The cuts proposed among the last frames."""
        return self._release(self._count)

    def _is_proposed(self, at: int) -> bool:
        """What PySceneDetect says of a frame, by its score and, for `adaptive`, by those of two on each side."""
        if self._score(at) < self._least:
            return False
        # The shortest shots are allowed: a second cut that is passed over would make an impure clip.
        if self._adaptive_threshold is None:
            detector: _Content = _Content(threshold=self._least, min_scene_len=0)
            first = last = at
        else:
            detector = _Adaptive(
                adaptive_threshold=self._adaptive_threshold, min_scene_len=1, min_content_val=self._least
            )
            first, last = max(0, at - ANSWER_FRAMES), at + ANSWER_FRAMES
        detector.score_of = self._score
        # The detectors only compare and subtract times, so a frame's number serves; a FrameTimecode costs 20 us.
        return at in [cut for number in range(first, last + 1) for cut in detector.process_frame(number, None)]

    def _score(self, at: int) -> float:
        """PySceneDetect's (all three weights equal, no edges), without its detour over 32-bit integers: the same
        number in a third of the time."""
        if at == 0:
            return 0.0
        if at not in self._scores:
            if len(self._scores) > 8 * ANSWER_FRAMES:
                self._forget(at - 2 * ANSWER_FRAMES)
            hsv = self._as_hsv(at)
            self._scores[at] = float(cv2.norm(hsv, self._as_hsv(at - 1), cv2.NORM_L1)) / hsv.size
        return self._scores[at]

    def _as_hsv(self, at: int) -> Frame:
        if at not in self._hsv:
            luma, cb, cr = cv2.split(self._newest[at - self._count])
            bgr = cv2.cvtColor(cv2.merge((luma, cr, cb)), cv2.COLOR_YCrCb2BGR)
            self._hsv[at] = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)
        return self._hsv[at]

    def _forget(self, before: int) -> None:
        for known in (self._hsv, self._scores):
            for at in [at for at in known if at < before]:
                del known[at]

    def _release(self, until: int) -> list[int]:
        if not self._proposed:
            return []
        released = sorted(cut for cut in self._proposed if cut <= until)
        self._proposed.difference_update(released)
        return released
