"""What scorers get to see of a clip: a few sampled frames and the signals of every frame, all served from memory.

All pixels here are as displayed (rotation and pixel aspect applied), 8 bit, full range (0 is black, 255 white).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.clip import Clip
from preprocess.detail import NO_DETAIL, Detail
from preprocess.light import Matrix, to_rgb
from preprocess.planes import resized
from preprocess.records import shapes_repr
from preprocess.sound.heard import ClipSound

Plane = npt.NDArray[np.uint8]

SAMPLES_PER_SECOND = 2
"""Sampled frames a second, on the grid of the file's own clock: a clip's samples do not depend on its neighbours.
2 is the motion rate of EasyAnimate (arXiv 2405.18991, section 3)."""
PAIR_SECONDS = 1 / 12
"""Each sample keeps the luma of a second frame about this much later, for optical flow over a short step."""
MAX_FRAME_SECONDS = 2.0
"""A frame that stands for longer than this is followed by a gap: slides, a paused recording, timestamps that jump. It
counts for as long as the frame before it; the rest is in no clip, and clips end there as at a cut."""
ANALYSIS_LONG_SIDE = 256
"""Long side of `Sample.luma` in pixels; smaller videos keep their own size."""
PICTURE_LONG_SIDE = 960
"""`Sample.picture` is at most about this long; large enough to read a subtitle, small enough to hold a minute of."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One frame as full-range planar YCbCr: `y` is uint8 (H, W), `cb` and `cr` half that size, rounded up.

    Pictures compare and hash by identity, so that a measurement can be cached for the scorers that share it.
    """

    y: Plane
    cb: Plane
    cr: Plane
    matrix: Matrix = "bt601"
    """Of the standard by which the planes were made of R, G and B."""

    __repr__ = shapes_repr

    def bgr(self, long_side: int | None = None) -> npt.NDArray[np.uint8]:
        """The frame as uint8 BGR, (h, w, 3), reduced to `long_side` pixels where it is longer."""
        height, width = self.y.shape
        scale = min(1.0, (long_side or max(height, width)) / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        planes = [resized(plane, *size) for plane in (self.y, self.cb, self.cr)]
        bgr: npt.NDArray[np.uint8] = cv2.transform(cv2.merge(planes), to_rgb(self.matrix)[::-1])
        return bgr


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sampled frame of a clip."""

    seconds: float
    """Presentation time on the file's clock."""
    luma: Plane
    """uint8 (h, w), long side at most `ANALYSIS_LONG_SIDE`."""
    picture: Picture
    pair_luma: Plane | None
    """The same as `luma`, `pair_seconds` later; None where the clip ends before that."""
    pair_seconds: float
    """Time from this frame to that of `pair_luma`; 0 where there is none."""
    interlaced: bool = False
    """The frame's two fields show two moments; the pixels here are those of the first one."""
    detail: Detail = NO_DETAIL
    """Parts of the frame at full size."""

    __repr__ = shapes_repr


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSignals:
    """One value for each of a clip's N frames, float64 arrays of shape (N,)."""

    seconds: npt.NDArray[np.float64]
    luma_mean: npt.NDArray[np.float64]
    """Mean luma, 0-255."""
    luma_std: npt.NDArray[np.float64]
    """Standard deviation of luma over the frame, 0-127."""
    change: npt.NDArray[np.float64]
    """Mean absolute difference (0-255, over luma and chroma) from the frame before; NaN at the clip's first frame."""

    __repr__ = shapes_repr


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameView:
    """Everything a scorer may look at of one clip. Views compare and hash by identity, as pictures do."""

    clip: Clip
    signals: FrameSignals
    samples: tuple[Sample, ...]
    """In time order, `SAMPLES_PER_SECOND` of them a second; at least one. A picture that stands for over a second is
    there once for each half of one."""
    sound: ClipSound | None = None
    """What is to be heard of it; None where no measurement of the task listens."""

    __repr__ = shapes_repr

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError(f"{self.clip.clip_id}: a view without a sampled frame")

    def uniform(self, count: int) -> tuple[Sample, ...]:
        """`count` samples nearest to the centres of `count` equal parts of the clip; fewer where fewer were sampled,
        or where one picture stands for long."""
        if count < 1:
            raise ValueError(f"count is {count}, must be at least 1")
        times = np.array([sample.seconds for sample in self.samples])
        step = self.clip.duration_seconds / count
        centres = self.clip.start_seconds + step * (np.arange(count) + 0.5)
        chosen = {int(np.argmin(np.abs(times - at))) for at in centres}
        found = [self.samples[index] for index in sorted(chosen)]
        return tuple({id(sample.picture): sample for sample in reversed(found)}.values())[::-1]
