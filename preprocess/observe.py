"""The one pass: decode a stretch of a video once, find its clips, and hand each a view of its frames as it closes.

Memory is bounded whatever the video's length: only the frames of the open shot are remembered, a few a second, and a
shot that goes on for over a minute gives its clips early.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf

from preprocess.clip import Clip, Window
from preprocess.decode import Frame, Video
from preprocess.frames import MAX_FRAME_SECONDS
from preprocess.probe import MAX_FPS as CLOCK_FPS
from preprocess.remembered import Observed, Remembered
from preprocess.shots.detector import ShotConfig, ShotDetector
from preprocess.shots.shot import Shot

CONTEXT_SECONDS = 6.0
"""Decoded on both sides of a window, so that a transition across its edge is seen from both."""
LONG_SHOT_SECONDS = 60.0
"""An open shot longer than this gives its first clip early: 120 remembered pictures of 0.8 MB are enough."""
MAX_OPEN_FRAMES = 20_000
"""So does one of more frames: a minute at 330 a second. Remembering each costs 250 bytes."""
MAX_MARGIN_SECONDS = Fraction(1, 6)
"""The margin around cuts is four frames of 24 a second at most, so that one frame of 1 to 5 a second is none."""
MAX_FPS = 480.0
"""The detector looks around as far as it does at this rate, however close together timestamps are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLengths:
    """How long clips may be; 3-10 s are EasyAnimate's (arXiv 2405.18991, section 3)."""

    min_seconds: float = 3.0
    max_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < 2 * self.min_seconds <= self.max_seconds:
            raise ValueError(
                f"clips of {self.min_seconds} to {self.max_seconds} s: the maximum must be at least twice the minimum, "
                "or a shot cannot be split without loss"
            )


def observe(video: Video, shots: ShotConfig, lengths: ClipLengths, window: Window) -> Iterator[Observed]:
    """Decode `window` of `video` once and yield its clips in order, short ones too.

    Shots longer than `lengths.max_seconds` come in near-equal pieces. No clip reaches into a transition or its margin,
    nor over a gap (see `MAX_FRAME_SECONDS`) or a change of the picture's size; a single frame between two of those is
    no clip. Where the video is over its bounds clips end early, and `video.stopped` says why. A picture is one clip.
    """
    if video.info.is_picture:
        yield from _picture(video)
        return
    memory = Remembered(video, max_frame_seconds=min(MAX_FRAME_SECONDS, lengths.max_seconds / 2))
    first, end = (_pts(video, at, default) for at, default in ((window.start_seconds, -inf), (window.end_seconds, inf)))
    stop = end + CONTEXT_SECONDS / video.info.time_base
    context_start = None if window.start_seconds is None else window.start_seconds - CONTEXT_SECONDS
    stretch = _Stretch(memory, shots, lengths, video.info.fps)
    for frame in video.frames(context_start):
        if frame.pts >= stop:
            break
        if not memory.follows(frame) or memory.full:
            memory.end_at(frame.pts)
            yield from stretch.finish()
            stretch = _Stretch(memory, shots, lengths, video.info.fps)
        yield from stretch.push(frame, inside=first <= frame.pts < end)
    yield from stretch.finish()


def _picture(video: Video) -> Iterator[Observed]:
    memory = Remembered(video)
    for frame in itertools.islice(video.frames(), 1):
        memory.push(frame, inside=True)
        memory.settle()
        yield memory.observed(0, memory.end)


class _Stretch:
    """Frames of one size that follow each other without a gap, on their way to be clips."""

    def __init__(self, memory: Remembered, shots: ShotConfig, lengths: ClipLengths, header_fps: Fraction) -> None:
        self._memory = memory
        self._shots = shots
        self._lengths = lengths
        self._header_fps = header_fps
        self._longest_open = max(LONG_SHOT_SECONDS, 2 * lengths.max_seconds)
        self._begin = memory.end  # the detector counts from here
        self._detector: ShotDetector | None = None
        self._taken = self._begin  # frames before this index are in clips already

    def push(self, frame: Frame, *, inside: bool) -> Iterator[Observed]:
        """Take the next frame; the clips that are complete now."""
        if not self._memory.push(frame, inside=inside):
            return
        detector = self._detect()
        yield from self._clips(self._pushed(detector))
        begin = max(self._begin + detector.open_start, self._taken)
        settled = self._begin + detector.settled
        while self._is_long(begin, settled):
            self._taken = self._memory.within(begin, settled, self._lengths.max_seconds)
            yield from self._pieces(begin, self._taken)
            begin = self._taken
        self._memory.forget(begin)

    def finish(self) -> Iterator[Observed]:
        """After the last frame: the remaining clips."""
        end = self._memory.end
        if end - self._begin > 1:
            detector = self._detect()
            yield from self._clips([*self._pushed(detector), *detector.finish()])
        self._memory.settle()
        self._memory.forget(end)

    def _is_long(self, start: int, end: int) -> bool:
        """Whether frames [start, end) of an open shot are more than should be remembered."""
        many = end - start > MAX_OPEN_FRAMES
        return many or (end > start and self._memory.seconds_between(start, end) > self._longest_open)

    def _detect(self) -> ShotDetector:
        """The detector, which is told the pace of the first frames: headers say 480 of 24 a second, and 25 of 12."""
        if self._detector is None:
            seconds = self._memory.frame_seconds(self._begin)
            fps = Fraction(min(MAX_FPS, 1 / seconds)) if seconds else self._header_fps
            most = int(
                MAX_MARGIN_SECONDS * fps
            )  # 0 where one frame is longer: it would be a second of footage, or more
            margin = min(self._shots.margin_frames, most)
            self._detector = ShotDetector(replace(self._shots, margin_frames=margin), fps)
        return self._detector

    def _pushed(self, detector: ShotDetector) -> list[Shot]:
        """Give the detector the newest frames."""
        return [shot for small in self._memory.settle() for shot in detector.push(small)]

    def _clips(self, shots: Iterable[Shot]) -> Iterator[Observed]:
        for shot in shots:
            start, end = self._begin + shot.start, self._begin + shot.end
            yield from self._pieces(max(start, self._taken), end)
            self._taken = max(self._taken, end)

    def _pieces(self, start: int, end: int) -> Iterator[Observed]:
        """The part of frames [start, end) that lies inside the window, in clips."""
        inside = self._memory.inside(start, end)
        if not inside:
            return
        first, stop = inside[0], inside[-1] + 1
        times = self._memory.boundaries(first, stop)
        for begin, finish in split(times, self._lengths.max_seconds):
            if finish - begin > CLOCK_FPS * (times[finish] - times[begin]):
                continue
            yield self._memory.observed(first + begin, first + finish)


def revisit(video: Video, clips: Sequence[Clip]) -> Iterator[Observed]:
    """Views of known clips of one video, equal to those of the pass that found them, in one more decode of their span.

    Clips may not overlap; they are yielded in time order. A clip whose frames are gone yields nothing.
    """
    waiting = deque(sorted(clips, key=lambda clip: clip.start_pts))
    memory = Remembered(video)
    begin: int | None = None
    # a second earlier, so that the grid of samples is met in the same phase
    start_seconds = waiting[0].start_seconds - 1 if waiting else None
    for frame in video.frames(start_seconds):
        while waiting and frame.pts >= waiting[0].end_pts:
            clip = waiting.popleft()
            if begin is not None:
                memory.settle()
                yield memory.observed(begin, memory.end, clip)
                begin = None
        if not waiting:
            return
        inside = frame.pts >= waiting[0].start_pts
        many = memory.push(frame, inside=inside)
        if begin is None and inside:
            begin = memory.end - 1
        if many:
            memory.settle()
            memory.forget(memory.end - 1 if begin is None else begin)
    if waiting and begin is not None:
        memory.settle()
        yield memory.observed(begin, memory.end, waiting[0])


def _pts(video: Video, seconds: float | None, default: float) -> float:
    """The first tick at or after a time."""
    return default if seconds is None else math.ceil(Fraction(seconds) / video.info.time_base)


def split(boundaries: Sequence[Fraction], max_seconds: float) -> list[tuple[int, int]]:
    """Cut a shot of N frames into near-equal pieces of at most `max_seconds`, as half-open ranges of frame numbers.

    `boundaries` are the N+1 times at which its frames begin and its last one ends.
    """
    frames, length = len(boundaries) - 1, boundaries[-1] - boundaries[0]
    count = max(1, math.ceil(length / Fraction(max_seconds)))
    while True:
        count = min(count, frames)
        edges = [0]
        for piece in range(1, count):
            nearest = _nearest(boundaries, boundaries[0] + length * piece / count)
            edges.append(min(max(edges[-1] + 1, nearest), frames - (count - piece)))  # no piece without a frame
        edges.append(frames)
        pieces = list(itertools.pairwise(edges))
        if all(boundaries[end] - boundaries[start] <= max_seconds or end - start == 1 for start, end in pieces):
            return pieces
        count += 1  # rounding to whole frames made a piece a frame too long


def _nearest(times: Sequence[Fraction], time: Fraction) -> int:
    low, high = 0, len(times) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if times[middle] <= time else (low, middle)
    return low if time - times[low] <= times[high] - time else high
