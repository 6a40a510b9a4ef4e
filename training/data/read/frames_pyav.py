"""The PyAV backend of `frames`: seek to the key frame before the sample and decode forward, whatever the file."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from preprocess.clip import Clip
from preprocess.decode import Frame, Video
from preprocess.errors import MediaError
from preprocess.rgb import rgb_of

Rgb = npt.NDArray[np.uint8]
"""(h, w, 3) 8-bit RGB, upright; pixels as coded, so that they may not be square."""

NEAR_SECONDS = Fraction(1, 4)
"""Decoding starts this long before the sample, since the frame on screen at its start began earlier. Frames shown
longer than this (slides) are found by a second attempt, from the clip's start."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A frame of the clip, on screen during [pts, end_pts). `rgb` converts its pixels, which costs as much as decoding
    a small frame: only frames that are picked are asked for them."""

    pts: int
    end_pts: int
    rgb: Callable[[], Rgb]


Backend = Callable[[Clip, Fraction], Generator[Shown, None, None]]
"""Frames of a clip in order, the one on screen at a time (ticks) among them, and few before it."""


def pyav_frames(clip: Clip, first: Fraction) -> Generator[Shown, None, None]:
    """`Backend` that decodes forward from the key frame before `first`."""
    near = max(clip.start_pts, int(first - NEAR_SECONDS / clip.time_base))
    for from_pts in (near, clip.start_pts):
        # the file's content id is not checked, since that would read up to 32 MiB a sample
        with Video(clip.source, source_id=clip.source_id, clock=clip.clock) as video:
            if video.info.time_base != clip.time_base:
                raise MediaError("source_changed", f"time base {video.info.time_base}, not {clip.time_base}")
            with closing(_decoded(video, clip, from_pts)) as frames:
                head = next(frames, None)
                if from_pts == clip.start_pts or (head is not None and head.pts <= first):
                    if head is not None:
                        yield head
                        yield from frames
                    return


def _decoded(video: Video, clip: Clip, from_pts: int) -> Generator[Shown, None, None]:
    """Frames of the clip from a tick on; a picture that was not decoded cleanly is no training data."""
    try:
        for frame in video.frames(float((from_pts - Fraction(1, 2)) * clip.time_base)):
            if frame.pts >= clip.end_pts:
                return
            if frame.is_damaged or video.damage.touches(clip.start_pts, frame.end_pts):
                raise MediaError("decode_errors", f"at {float(frame.pts * clip.time_base):.2f} s")
            yield Shown(pts=frame.pts, end_pts=frame.end_pts, rgb=_Converted(frame))
    except (av.error.InvalidDataError, av.error.EOFError, av.error.PermissionError) as error:
        # FFmpeg says "not permitted" where a broken index keeps it from seeking
        raise MediaError("not_decodable", str(error)) from error


@dataclass(frozen=True, slots=True)
class _Converted:
    """A decoded frame's RGB. Frames are counted references: unlike views of their planes they outlive the next one."""

    frame: Frame

    def __call__(self) -> Rgb:
        turned: Rgb = np.rot90(rgb_of(self.frame.raw), -(self.frame.info.rotation // 90))
        return turned
