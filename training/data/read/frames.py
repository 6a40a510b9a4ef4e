"""Decode just the frames of a virtual clip that a sample needs, picked by time and never by frame index.

Two backends stand behind one seam, `Backend`: PyAV seeks to the key frame before the sample and decodes forward; decord
is in `frames_decord`, and where it is not installed PyAV stands in. Both give the same frames. What a frame's time is,
and which way is up, is as in the curation pass: `preprocess.decode.Video`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import av
import numpy as np
import numpy.typing as npt

from preprocess.clip import Clip
from preprocess.decode import Frame, Video
from preprocess.errors import MediaError

Rgb = npt.NDArray[np.uint8]
"""(h, w, 3) 8-bit RGB, upright; pixels as coded, so that they may not be square."""

BackendName = Literal["pyav", "decord"]

EARLY_SECONDS = Fraction(1, 200)
"""A frame counts as on screen already if it is due this soon: Matroska rounds times to milliseconds and phones jitter
by a few, and without slack one frame would come twice and the next one not at all."""
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


def clip_frames(
    clip: Clip, *, num_frames: int, fps: Fraction, start_seconds: Fraction, backend: BackendName = "pyav"
) -> Iterator[Rgb]:
    """`num_frames` frames of `clip` at `fps`, the first of them on screen `start_seconds` after the clip's start.

    Where a source has fewer frames a second than are asked for, the same array is yielded again.

    Raises:
        MediaError: the media is at fault: gone, not decodable, or shorter than the manifest says.
        ValueError: the clip is shorter than what is asked for.
    """
    step = 1 / fps / clip.time_base
    first = clip.start_pts + start_seconds / clip.time_base
    if start_seconds < 0 or first + (num_frames - 1) * step >= clip.end_pts + step:
        seconds = float((clip.end_pts - clip.start_pts) * clip.time_base)
        raise ValueError(f"{num_frames} frames at {fps} fps from {float(start_seconds):.3f} s on, of {seconds:.3f} s")
    with closing(_backend(backend)(clip, first)) as frames:
        previous: Shown | None = None
        for frame in on_screen(frames, first=first, step=step, early=EARLY_SECONDS / clip.time_base, count=num_frames):
            if frame is not previous:
                pixels, previous = frame.rgb(), frame
            yield pixels


def on_screen(
    frames: Iterable[Shown], *, first: Fraction, step: Fraction, early: Fraction, count: int
) -> Iterator[Shown]:
    """For each of `count` times, `step` ticks apart, the last frame that has begun by then or is due within `early`.

    The grid of times begins where the first frame found does: at equal rates each frame then comes exactly once.

    Raises:
        MediaError: frames end, or have a hole at the start, where some are needed.
    """
    wanted, given = first, 0
    current: Shown | None = None
    for following in frames:
        while current is not None and following.pts > wanted + early:
            if given == 0 and 0 <= wanted - current.pts < step:
                wanted = Fraction(current.pts)
            yield current
            wanted, given = wanted + step, given + 1
            if given == count:
                return
        if current is None and following.pts > first + step:
            raise MediaError("frames_missing", f"the first is {float((following.pts - first) / step):.1f} frames late")
        current = following
    if current is None:
        raise MediaError("frames_missing", "none in the clip")
    while given < count:
        if wanted >= current.end_pts + step:
            raise MediaError("frames_missing", f"{given} of {count} frames, then the file ends")
        yield current
        wanted, given = wanted + step, given + 1


def pyav_frames(clip: Clip, first: Fraction) -> Generator[Shown, None, None]:
    """`Backend` that decodes forward from the key frame before `first`."""
    near = max(clip.start_pts, int(first - NEAR_SECONDS / clip.time_base))
    for from_pts in (near, clip.start_pts):
        # the file's content id is not checked, since that would read up to 32 MiB a sample
        with Video(clip.source, source_id=clip.source_id) as video:
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
    errors: int | None = None
    try:
        for frame in video.frames(float((from_pts - Fraction(1, 2)) * clip.time_base)):
            if frame.pts >= clip.end_pts:
                return
            errors = video.damage.decode_errors if errors is None else errors
            if frame.raw.is_corrupt or video.damage.decode_errors > errors:
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
        turned: Rgb = np.rot90(self.frame.raw.to_ndarray(format="rgb24"), -(self.frame.info.rotation // 90))
        return turned


def _backend(name: str) -> Backend:
    if name == "pyav":
        return pyav_frames
    if name == "decord":
        return _decord()
    raise ValueError(f"decoder backend {name!r}, allowed are 'pyav' and 'decord'")


@cache
def _decord() -> Backend:
    """The backend by decord, or else PyAV's, which is said once: it has no wheels for aarch64 and macOS."""
    if find_spec("decord") is None:
        logging.getLogger(__name__).warning("decord is not installed: PyAV reads the same frames instead")
        return pyav_frames
    # Imported on demand, and after av: decord brings an old libvpx that would otherwise stand in for av's own.
    backend: Backend = import_module("training.data.read.frames_decord").decord_frames
    return backend
