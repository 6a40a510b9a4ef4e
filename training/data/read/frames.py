"""Decode just the frames of a virtual clip that a sample needs, picked by time and never by frame index.

Two backends stand behind one seam, `Backend`: PyAV's in `frames_pyav`, decord's in `frames_decord`; where decord is not
installed PyAV stands in. Both give the same frames. What a frame's time is, and which way is up, is as in the curation
pass: `preprocess.decode.Video`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from typing import Literal

from preprocess.clip import Clip
from preprocess.errors import MediaError
from training.data.read.frames_pyav import Backend, Rgb, Shown, pyav_frames

BackendName = Literal["pyav", "decord"]

EARLY_SECONDS = Fraction(1, 200)
"""A frame counts as on screen already if it is due this soon: Matroska rounds times to milliseconds and phones jitter
by a few, and without slack one frame would come twice and the next one not at all."""


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
    from training.data.read.frames_decord import decord_frames

    return decord_frames
