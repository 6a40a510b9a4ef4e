"""A clip's frames and its sound as a file of a given format: every frame encoded, none picked by its number."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av

from preprocess.clip import Clip, Source
from preprocess.clocks import COUNTED
from preprocess.cutting.fields import unwoven
from preprocess.cutting.format import CutFormat
from preprocess.cutting.picture import Box, Pictures
from preprocess.cutting.result import CutFile
from preprocess.cutting.sound import Sound, span_sound
from preprocess.cutting.writer import Writer
from preprocess.decode import Frame
from preprocess.errors import MediaError, one_line
from preprocess.picking import EARLY_SECONDS, on_screen

_Timed = Iterator[tuple[Frame, int, int]]
"""Frames, when they are shown since the clip's begin, and for how long."""
_Item = TypeVar("_Item")


def encode_clip(
    clip: Clip,
    frames: Iterable[Frame],
    form: CutFormat,
    path: Path,
    *,
    sound_of: Source | None = None,
    box: Box | None = None,
    woven: bool = False,
) -> CutFile:
    """Write a clip's file to `path`, from its `frames` as the pass had them and the sound of the same time.

    `box` is the picture without its bars, in displayed pixels; `woven`, whether frames show two moments in their two
    fields: as they are, they stay so, else they show the first. A clip whose times are counted has no sound: nothing
    tells which one belongs to it.

    Raises:
        MediaError: frames are missing, or too few or too small for the format or its codec.
        OSError: the source's storage or the disk failed.
    """
    count = form.frames_of(clip)
    if count is None:
        raise MediaError("too_short", f"{clip.num_frames} frames at {float(clip.fps):.3f} fps")
    if woven and not form.as_they_are:
        frames = unwoven(iter(frames))
    rate = form.rate
    time_base = clip.time_base if rate is None else 1 / rate
    timed = _as_they_come(frames, clip, count) if rate is None else _by_time(frames, clip, rate, count)
    first = next(timed)
    pictures = Pictures(form, first[0], box)
    sound = _sound(clip, form, sound_of)
    fps = clip.fps if rate is None else rate
    with _refusals(), closing(Writer(path, form, pictures, sound, time_base=time_base, fps=fps)) as writer:
        for each in itertools.chain((first,), timed):
            writer.write(*each)
        writer.finish()
    return writer.result(count)


@contextmanager
def _refusals() -> Iterator[None]:
    """What an encoder does not take: x265, say, pictures of 16 x 8. A full disk is an `OSError` also of FFmpeg's."""
    try:
        yield
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise MediaError("not_encodable", one_line(error.strerror or str(error))) from error


def _sound(clip: Clip, form: CutFormat, source: Source | None) -> Sound | None:
    if source is None or not form.sound or clip.clock == COUNTED:
        return None
    return span_sound(source, clip.start_pts * clip.time_base, clip.end_pts * clip.time_base)


def _as_they_come(frames: Iterable[Frame], clip: Clip, count: int) -> _Timed:
    """The first `count` frames, in the clip's ticks."""
    given = 0
    for frame, following in _with_next(frames):
        end = clip.end_pts if following is None else following.pts
        yield frame, frame.pts - clip.start_pts, end - frame.pts
        given += 1
        if given == count:
            return
    raise MediaError("frames_missing", f"{given} of {count}")


def _by_time(frames: Iterable[Frame], clip: Clip, rate: Fraction, count: int) -> _Timed:
    """`count` frames at a rate, in ticks of a frame."""
    first, step, early = Fraction(clip.start_pts), 1 / rate / clip.time_base, EARLY_SECONDS / clip.time_base
    for number, frame in enumerate(on_screen(frames, first=first, step=step, early=early, count=count)):
        yield frame, number, 1


def _with_next(items: Iterable[_Item]) -> Iterator[tuple[_Item, _Item | None]]:
    last: _Item | None = None
    for item in items:
        if last is not None:
            yield last, item
        last = item
    if last is not None:
        yield last, None
