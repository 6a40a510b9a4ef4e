"""The one pass: decode a stretch of a video once, find its clips, and hand each a view of its frames as it closes.

Memory is bounded whatever the video's length: only the frames of the open shot are remembered, a few a second, and a
shot that goes on for over a minute gives its clips early.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.clip import Clip, VideoInfo, Window
from preprocess.decode import Frame, Shrunk, Video
from preprocess.frames import PAIR_SECONDS, SAMPLES_PER_SECOND, FrameSignals, FrameView, Plane, Sample
from preprocess.shots.detector import Shot, ShotConfig, ShotDetector

CONTEXT_SECONDS = 6.0
"""Decoded on both sides of a window, so that a transition across its edge is seen from both."""
BATCH_FRAMES = 32
"""Frames go to the shot detector in batches: between two decoded frames its code would be cold, and twice as slow."""
LONG_SHOT_SECONDS = 60.0
"""An open shot longer than this gives its first clip early: 120 remembered pictures of 0.8 MB are enough."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A clip and what there is to measure it by."""

    clip: Clip
    view: FrameView | None
    """None where the clip is so short that none of its frames was sampled."""
    damaged: bool
    """A frame or packet in it could not be decoded."""


def observe(video: Video, shots: ShotConfig, lengths: ClipLengths, window: Window) -> Iterator[Observed]:
    """Decode `window` of `video` once and yield its clips in order, short ones too.

    Shots longer than `lengths.max_seconds` come in near-equal pieces. No clip reaches into a transition or its margin.
    """
    memory = _Memory(video)
    detector = ShotDetector(shots, video.info.fps)
    waiting: list[Plane] = []
    taken = 0  # frames before this index are in clips already
    longest_open = Fraction(max(LONG_SHOT_SECONDS, 2 * lengths.max_seconds))
    shortest_open = int(longest_open * video.info.fps / 2)  # frames below which nobody needs to look at the clock
    first, end = (_pts(video, at, default) for at, default in ((window.start_seconds, -inf), (window.end_seconds, inf)))
    stop = end + CONTEXT_SECONDS / video.info.time_base
    context_start = None if window.start_seconds is None else max(0.0, window.start_seconds - CONTEXT_SECONDS)
    for frame in video.frames(context_start):
        if frame.pts >= stop:
            break
        waiting.append(memory.push(frame, inside=first <= frame.pts < end))
        if len(waiting) < BATCH_FRAMES:
            continue
        for shot in _push(detector, waiting):
            yield from memory.clips(max(shot.start, taken), shot.end, lengths)
            taken = max(taken, shot.end)
        begin = max(detector.open_start, taken)
        settled = detector.settled
        if settled > begin + shortest_open and memory.seconds_between(begin, settled) > longest_open:
            taken = memory.last_boundary(begin, lengths.max_seconds)
            yield from memory.clips(begin, taken, lengths)
            begin = taken
        memory.forget(begin)
    for shot in (*_push(detector, waiting), *detector.finish()):
        yield from memory.clips(max(shot.start, taken), shot.end, lengths)


def _push(detector: ShotDetector, frames: list[Plane]) -> list[Shot]:
    """Give the detector what has been collected, and empty the list."""
    complete = [shot for frame in frames for shot in detector.push(frame)]
    frames.clear()
    return complete


def revisit(video: Video, clips: Sequence[Clip]) -> Iterator[Observed]:
    """Views of known clips of one video, equal to those of the pass that found them, in one more decode of their span.

    Clips may not overlap; they are yielded in time order. A clip whose frames are gone yields nothing.
    """
    waiting = deque(sorted(clips, key=lambda clip: clip.start_pts))
    memory = _Memory(video)
    begin: int | None = None
    # a second earlier, so that the grid of samples is met in the same phase
    start_seconds = max(0.0, waiting[0].start_seconds - 1) if waiting else None
    for frame in video.frames(start_seconds):
        while waiting and frame.pts >= waiting[0].end_pts:
            clip = waiting.popleft()
            if begin is not None:
                yield memory.observed(clip, begin, memory.end)
                begin = None
        if not waiting:
            return
        memory.push(frame, inside=frame.pts >= waiting[0].start_pts)
        if begin is None and frame.pts >= waiting[0].start_pts:
            begin = memory.end - 1
        memory.forget(memory.end - 1 if begin is None else begin)
    if waiting and begin is not None:
        yield memory.observed(waiting[0], begin, memory.end)


def _pts(video: Video, seconds: float | None, default: float) -> float:
    """The first tick at or after a time."""
    return default if seconds is None else math.ceil(Fraction(seconds) / video.info.time_base)


def split(boundaries: Sequence[Fraction], max_seconds: float) -> list[tuple[int, int]]:
    """Cut a shot of N frames into near-equal pieces of at most `max_seconds`, as half-open ranges of frame numbers.

    `boundaries` are the N+1 times at which its frames begin and its last one ends.
    """
    length = boundaries[-1] - boundaries[0]
    count = max(1, math.ceil(length / Fraction(max_seconds)))
    while True:
        edges = [0]
        for piece in range(1, count):
            boundary = boundaries[0] + length * piece / count
            edges.append(max(edges[-1] + 1, _nearest(boundaries, boundary)))
        edges.append(len(boundaries) - 1)
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


class _Memory:
    """What is remembered of the frames of the open shot: signals of each, and a few samples a second."""

    def __init__(self, video: Video) -> None:
        self._video = video
        self._info: VideoInfo = video.info
        self._samples_per_tick = self._info.time_base * SAMPLES_PER_SECOND
        self._half_frame = Fraction(1) / self._info.fps / 2
        self._base = 0  # index of the first remembered frame
        self._pts: list[int] = []
        self._end_pts: list[int] = []
        self._signals: list[tuple[float, float, float]] = []
        self._inside: list[bool] = []
        self._samples: deque[Sample] = deque()
        self._previous: npt.NDArray[np.uint8] | None = None
        self._last_tick: int | None = None

    @property
    def end(self) -> int:
        """Index of the next frame."""
        return self._base + len(self._pts)

    def push(self, frame: Frame, *, inside: bool) -> npt.NDArray[np.uint8]:
        """Remember a frame; returns it in the shot detector's size."""
        shrunk = frame.shrink()
        small = shrunk.shot_frame()
        change = math.nan
        if self._previous is not None and self._previous.shape == small.shape:
            change = cv2.norm(small, self._previous, cv2.NORM_L1) / small.size
        mean, deviation = cv2.meanStdDev(small)
        self._previous = small
        self._pts.append(frame.pts)
        self._end_pts.append(frame.end_pts)
        self._signals.append((float(mean[0, 0]), float(deviation[0, 0]), change))
        self._inside.append(inside)
        tick = frame.pts * self._samples_per_tick.numerator // self._samples_per_tick.denominator
        if inside:
            self._sample(frame, shrunk, on_grid=tick != self._last_tick)
        self._last_tick = tick
        return small

    def _sample(self, frame: Frame, shrunk: Shrunk, *, on_grid: bool) -> None:
        if not on_grid and (not self._samples or self._samples[-1].pair_luma is not None):
            return
        seconds = frame.pts * self._info.time_base
        luma = None
        if self._samples and self._samples[-1].pair_luma is None:
            due = Fraction(self._samples[-1].seconds) + Fraction(PAIR_SECONDS) - self._half_frame
            if seconds >= due:
                luma = shrunk.analysis_luma()
                step = float(seconds) - self._samples[-1].seconds
                self._samples[-1] = replace(self._samples[-1], pair_luma=luma, pair_seconds=step)
        if not on_grid:
            return
        luma = shrunk.analysis_luma() if luma is None else luma
        picture = shrunk.picture()
        self._samples.append(
            Sample(seconds=float(seconds), luma=luma, picture=picture, pair_luma=None, pair_seconds=0.0)
        )

    def seconds_between(self, start: int, end: int) -> Fraction:
        """Time from the beginning of frame `start` to the beginning of frame `end`."""
        return (self._boundary(end) - self._boundary(start)) * self._info.time_base

    def last_boundary(self, start: int, max_seconds: float) -> int:
        """The last frame index at which a clip from `start` on is at most `max_seconds` long."""
        end = start + 1
        while end < self.end and self.seconds_between(start, end + 1) <= max_seconds:
            end += 1
        return end

    def clips(self, start: int, end: int, lengths: ClipLengths) -> Iterator[Observed]:
        """The part of frames [start, end) that lies inside the window, in clips."""
        inside = [index for index in range(max(start, self._base), end) if self._inside[index - self._base]]
        if not inside:
            return
        first, stop = inside[0], inside[-1] + 1
        boundaries = [self._boundary(index) * self._info.time_base for index in range(first, stop + 1)]
        for begin, finish in split(boundaries, lengths.max_seconds):
            yield self.observed(self._clip(first + begin, first + finish), first + begin, first + finish)

    def observed(self, clip: Clip, start: int, end: int) -> Observed:
        """A clip of the remembered frames [start, end) with its view."""
        low, high = clip.start_pts, clip.end_pts
        damaged = any(low <= pts < high for pts in self._video.damage.error_pts)
        return Observed(clip=clip, view=self._view(clip, start, end), damaged=damaged)

    def forget(self, before: int) -> None:
        """Frames before this index will not be asked for again."""
        count = min(before, self.end - 1) - self._base
        if count <= 0:
            return
        horizon = float(self._pts[count] * self._info.time_base)
        while self._samples and self._samples[0].seconds < horizon:
            self._samples.popleft()
        if count < 64:  # deleting from the front of four lists at every frame would cost more than it frees
            return
        for remembered in (self._pts, self._end_pts, self._signals, self._inside):
            del remembered[:count]
        self._base += count

    def _boundary(self, index: int) -> int:
        """The pts at which frame `index` begins; for the frame after the last, where the last one ends."""
        position = index - self._base
        return self._pts[position] if position < len(self._pts) else self._end_pts[-1]

    def _clip(self, start: int, end: int) -> Clip:
        return Clip(
            source_id=self._info.source_id,
            source_uri=self._video.source.uri,
            start_pts=self._boundary(start),
            end_pts=self._boundary(end),
            time_base=self._info.time_base,
            num_frames=end - start,
            fps=self._info.fps,
            width=self._info.width,
            height=self._info.height,
        )

    def _view(self, clip: Clip, start: int, end: int) -> FrameView | None:
        tick, stop = self._info.time_base, clip.end_seconds
        samples = tuple(
            sample if sample.seconds + sample.pair_seconds < stop else replace(sample, pair_luma=None, pair_seconds=0.0)
            for sample in self._samples
            if clip.start_seconds <= sample.seconds < stop
        )
        if not samples:
            return None
        low, high = start - self._base, end - self._base
        signals = np.array(self._signals[low:high], dtype=np.float64)
        signals[0, 2] = math.nan
        seconds = np.array([float(pts * tick) for pts in self._pts[low:high]])
        return FrameView(
            clip=clip,
            samples=samples,
            signals=FrameSignals(
                seconds=seconds, luma_mean=signals[:, 0], luma_std=signals[:, 1], change=signals[:, 2]
            ),
        )
