"""What is remembered of the frames of the open shot: signals of each, and a few samples a second."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np

from preprocess.clip import Clip, VideoInfo
from preprocess.decode import Frame, Video
from preprocess.frames import (
    MAX_FRAME_SECONDS,
    PAIR_SECONDS,
    SAMPLES_PER_SECOND,
    FrameSignals,
    FrameView,
    Plane,
    Sample,
)
from preprocess.shrink import ShotPlanes, Shrunk

OWN_RATE = Fraction(1, 10)
"""A pause of a minute makes the average of 24 frames a second that of one; what a few frames more or less make of a
short clip is none of its pace."""
BATCH_FRAMES = 32
"""Frames are settled, and go to the shot detector, in batches: between two decoded frames code would be cold, and twice
as slow."""
MAX_SAMPLES = 320
"""Samples are 1 MB each. A minute of an open shot has 120, and at two frames a second the detector's answer comes
another minute later; only timestamps of which some lie close together and others far apart make it more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A clip and what there is to measure it by."""

    clip: Clip
    view: FrameView | None
    """None where the clip is so short that none of its frames was sampled."""
    damaged: bool
    """A frame of it is missing, or was decoded with an error or from one that was."""


class Remembered:
    """Frames by their index, in order of display, until they are forgotten."""

    def __init__(self, video: Video, *, max_frame_seconds: float = MAX_FRAME_SECONDS) -> None:
        """Frames that are shown for longer than `max_frame_seconds` are followed by a gap."""
        self._video = video
        self._info: VideoInfo = video.info
        self._longest_ticks = int(Fraction(max_frame_seconds) / self._info.time_base)
        self._samples_per_tick = self._info.time_base * SAMPLES_PER_SECOND
        self._half_frame = Fraction(1) / self._info.fps / 2
        self._base = 0  # index of the first remembered frame
        self._pts: list[int] = []
        self._end_pts: list[int] = []
        self._signals: list[tuple[float, float, float]] = []
        self._inside: list[bool] = []
        self._samples: deque[Sample] = deque()
        self._fresh: list[ShotPlanes] = []  # of the newest frames, whose signals are not known yet
        self._previous: Plane | None = None
        self._last_tick: int | None = None

    @property
    def end(self) -> int:
        """Index of the next frame."""
        return self._base + len(self._pts)

    @property
    def full(self) -> bool:
        """Whether no more samples should be remembered."""
        return len(self._samples) >= MAX_SAMPLES

    def follows(self, frame: Frame) -> bool:
        """Whether a frame is shown right after the newest one, in the same size."""
        if not self._pts:
            return True
        alike = frame.info is self._info or _displayed_as(frame.info) == _displayed_as(self._info)
        return alike and frame.pts - self._pts[-1] <= self._longest_ticks

    def end_at(self, pts: int) -> None:
        """The newest frame is shown no longer than this."""
        if self._pts:
            self._end_pts[-1] = min(self._end_pts[-1], pts)

    def push(self, frame: Frame, *, inside: bool) -> bool:
        """Remember a frame; whether so many are unsettled now that they should be."""
        step = self._longest_ticks
        if self._pts and self.follows(frame):
            self._end_pts[-1] = frame.pts
            step = frame.pts - self._pts[-1]
        self._info = frame.info
        shrunk = frame.shrink()
        self._fresh.append(shrunk.shot_planes())
        self._pts.append(frame.pts)
        length = frame.end_pts - frame.pts
        self._end_pts.append(frame.pts + (length if length <= self._longest_ticks else step))
        self._inside.append(inside)
        tick = frame.pts * self._samples_per_tick.numerator // self._samples_per_tick.denominator
        if inside:
            self._sample(frame, shrunk, on_grid=tick != self._last_tick)
        self._last_tick = tick
        return len(self._fresh) >= BATCH_FRAMES

    def settle(self) -> list[Plane]:
        """Find the signals of the newest frames; returns these in the shot detector's size, full-range YCbCr
        (h, w, 3). To be done before frames are asked for or forgotten."""
        smalls = [planes.ycbcr() for planes in self._fresh]
        self._fresh.clear()
        for small in smalls:
            change = math.nan
            if self._previous is not None and self._previous.shape == small.shape:
                change = cv2.norm(small, self._previous, cv2.NORM_L1) / small.size
            mean, deviation = cv2.meanStdDev(cv2.extractChannel(small, 0))  # of all three it takes twice as long
            self._previous = small
            self._signals.append((float(mean[0, 0]), float(deviation[0, 0]), change))
        return smalls

    def _sample(self, frame: Frame, shrunk: Shrunk, *, on_grid: bool) -> None:
        if not on_grid and (not self._samples or self._samples[-1].pair_luma is not None):
            return
        seconds = frame.pts * self._info.time_base
        woven = (on_grid or self._samples[-1].interlaced) and shrunk.unweave()
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
            Sample(
                seconds=float(seconds),
                luma=luma,
                picture=picture,
                pair_luma=None,
                pair_seconds=0.0,
                interlaced=woven,
                detail=shrunk.detail(),
            )
        )

    def frame_seconds(self, start: int) -> float | None:
        """How long most of the frames from `start` on are shown; None where there is only one."""
        steps = np.diff(self._pts[start - self._base :])
        return float(np.median(steps)) * float(self._info.time_base) if len(steps) else None

    def seconds_between(self, start: int, end: int) -> float:
        """Time from the beginning of frame `start` to the beginning of frame `end`, or to the end of the newest one."""
        at = self._pts[end - self._base] if end < self.end else self._end_pts[-1]
        return float((at - self._pts[start - self._base]) * self._info.time_base)

    def within(self, start: int, end: int, max_seconds: float) -> int:
        """The last frame index up to `end` at which a clip from `start` on is at most `max_seconds` long."""
        last = self._pts[start - self._base] + Fraction(max_seconds) / self._info.time_base
        fitting = start + 1
        while fitting < end and self._end_pts[fitting - self._base] <= last:
            fitting += 1
        return fitting

    def inside(self, start: int, end: int) -> list[int]:
        """Indices of the frames of [start, end) that lie inside the window."""
        return [index for index in range(max(start, self._base), end) if self._inside[index - self._base]]

    def boundaries(self, start: int, end: int) -> list[Fraction]:
        """The N+1 seconds at which the N frames [start, end), which follow each other, begin, and the last one ends."""
        ticks = [*self._pts[start - self._base : end - self._base], self._end_pts[end - 1 - self._base]]
        return [pts * self._info.time_base for pts in ticks]

    def observed(self, start: int, end: int, clip: Clip | None = None) -> Observed:
        """The clip of the frames [start, end), or one that is known, with its view."""
        clip = clip or Clip(
            source_id=self._info.source_id,
            source_uri=self._video.source.uri,
            start_pts=self._pts[start - self._base],
            end_pts=self._end_pts[end - 1 - self._base],
            time_base=self._info.time_base,
            num_frames=end - start,
            fps=self._rate(start, end),
            width=self._info.width,
            height=self._info.height,
            clock=self._video.clock,
        )
        damaged = self._video.damage.touches(clip.start_pts, clip.end_pts)
        return Observed(clip=clip, view=self._view(clip, start, end), damaged=damaged)

    def _rate(self, start: int, end: int) -> Fraction:
        """Frames [start, end) a second; the file's average where they are as fast as that, within `OWN_RATE`."""
        seconds = (self._end_pts[end - 1 - self._base] - self._pts[start - self._base]) * self._info.time_base
        own = (end - start) / seconds
        file = self._info.fps
        return file if abs(own - file) <= OWN_RATE * file else own.limit_denominator(1001)

    def forget(self, before: int) -> None:
        """Frames before this index will not be asked for again."""
        count = min(before, self.end - 1) - self._base
        if count <= 0:
            return
        horizon = float(self._pts[count] * self._info.time_base)
        self._video.forget_sound(horizon)
        while self._samples and self._samples[0].seconds < horizon:
            self._samples.popleft()
        if count < 64:  # deleting from the front of four lists at every frame would cost more than it frees
            return
        for remembered in (self._pts, self._end_pts, self._signals, self._inside):
            del remembered[:count]
        self._base += count

    def _view(self, clip: Clip, start: int, end: int) -> FrameView | None:
        tick, stop = self._info.time_base, clip.end_seconds
        samples = tuple(
            sample if sample.seconds + sample.pair_seconds < stop else replace(sample, pair_luma=None, pair_seconds=0.0)
            for sample in self._samples
            if clip.start_seconds <= sample.seconds < stop
        )
        if not samples:
            return None
        samples = tuple(_while_shown(samples, clip))
        low, high = start - self._base, end - self._base
        signals = np.array(self._signals[low:high], dtype=np.float64)
        signals[0, 2] = math.nan
        numerator, denominator = tick.as_integer_ratio()  # the same as floats of fractions, and cheaper
        seconds = np.array([pts * numerator / denominator for pts in self._pts[low:high]])
        return FrameView(
            clip=clip,
            samples=samples,
            sound=self._video.sound(clip.start_pts, clip.end_pts),
            signals=FrameSignals(
                seconds=seconds, luma_mean=signals[:, 0], luma_std=signals[:, 1], change=signals[:, 2]
            ),
        )


def _while_shown(samples: Sequence[Sample], clip: Clip) -> Iterator[Sample]:
    """The samples, each once more for each later point of the grid at which it goes on to be on screen: a
    picture that stands for seconds counts for as many, in every mean over samples."""
    for sample, until in zip(samples, [*(after.seconds for after in samples[1:]), clip.end_seconds], strict=True):
        yield sample
        tick = math.floor(sample.seconds * SAMPLES_PER_SECOND) + 1
        while tick / SAMPLES_PER_SECOND <= until - 1 / SAMPLES_PER_SECOND:
            yield replace(sample, seconds=tick / SAMPLES_PER_SECOND, pair_luma=None, pair_seconds=0.0)
            tick += 1


def _displayed_as(info: VideoInfo) -> tuple[int, ...]:
    return info.width, info.height, info.coded_width, info.coded_height, info.rotation
