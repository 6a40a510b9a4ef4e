"""Decode just the frames of a virtual clip that a sample needs, picked by time and never by frame index.

Two backends stand behind one seam, `Backend`: PyAV's in `frames_pyav`, decord's in `frames_decord`; where decord is not
installed PyAV stands in. Both give the same frames. What a frame's time is, and which way is up, is as in the curation
pass: `preprocess.decode.Video`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from typing import Literal

from preprocess.clip import Clip
from preprocess.picking import EARLY_SECONDS, on_screen
from training.data.read.frames_pyav import Backend, Rgb, Shown, pyav_frames

BackendName = Literal["pyav", "decord"]


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
