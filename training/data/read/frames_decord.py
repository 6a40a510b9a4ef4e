"""The decord backend of `frames`. It reads a whole file's index at opening: fit for files of one clip each, not films.

decord gives pixels by frame number; times come from the container by PyAV, since decord's own are float32, start at
zero, and are wrong for AVI. Where it does not give the same frames, PyAV is used instead: transport streams (it seeks
to wrong frames), edit lists that leave frames out (it counts them), several video streams (it takes another), files
without a duration (it refuses), more than 8 bits and odd sizes (its old FFmpeg makes other colours of them, by up to
180 of 255 beside an edge), HD without a tag, which it takes for BT.601, and HDR.
"""

from __future__ import annotations

import itertools
import os
from bisect import bisect_right
from collections.abc import Generator
from fractions import Fraction
from functools import partial
from importlib import import_module
from typing import Any

import av
import av.container
import av.video

from preprocess.clip import Clip
from preprocess.clocks import FILE
from preprocess.errors import MediaError
from preprocess.io.storage import is_remote, local_path
from preprocess.light import light_by_tags
from preprocess.probe import open_container, open_source, video_stream
from training.data.read.frames_pyav import Rgb, Shown, pyav_frames

decord: Any = import_module("decord")  # it has no types

_CONTAINERS = frozenset({"mov", "matroska"})
_PIXEL_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})


def decord_frames(clip: Clip, first: Fraction) -> Generator[Shown, None, None]:
    """`Backend` by decord, with decoder threads left to the other workers."""
    times = _frame_times(clip) if clip.clock == FILE else None
    reader = None if times is None else _opened(clip)
    if times is None or reader is None or len(reader) != len(times) - 1:
        yield from pyav_frames(clip, first)
        return
    begin = max(0, bisect_right(times, first) - 1)
    for index, (pts, end_pts) in enumerate(itertools.pairwise(times)):
        if index >= begin and pts >= clip.start_pts:
            if pts >= clip.end_pts:
                return
            yield Shown(pts=pts, end_pts=end_pts, rgb=partial(_pixels, reader, index))


def _frame_times(clip: Clip) -> list[int] | None:
    """When each frame begins and, at the end, when the last one ends, in ticks; None where PyAV is to read the file."""
    with open_source(clip.source) as file, open_container(file, uri=clip.source_uri) as container:
        stream = video_stream(container)
        if not _gives_the_same(container, stream) or stream.time_base != clip.time_base:
            return None
        try:
            read = [packet for packet in container.demux(stream) if packet.size]
        except av.error.FFmpegError:
            return None  # PyAV meets it again, and says whose fault it is
    if not read or any(packet.pts is None or packet.is_discard for packet in read):
        return None
    ordered = sorted((packet.pts, packet.duration or 0) for packet in read if packet.pts is not None)
    times = [*(pts for pts, _ in ordered), sum(ordered[-1])]
    return times if all(a < b for a, b in itertools.pairwise(times)) else None


def _gives_the_same(container: av.container.InputContainer, stream: av.video.VideoStream) -> bool:
    coded = stream.codec_context
    tags = (coded.colorspace, coded.color_range, coded.color_trc, coded.color_primaries)
    light = light_by_tags(coded.pix_fmt or "", coded.width, coded.height, *tags)
    return (
        container.format.name.split(",")[0] in _CONTAINERS
        and len(container.streams.video) == 1
        and bool(container.duration)
        and coded.pix_fmt in _PIXEL_FORMATS
        and (light.plain == "bt601" or (light.plain is not None and light.tagged))
        and ("444" in coded.pix_fmt or (coded.width % 2 == 0 and coded.height % 2 == 0))
    )


def _opened(clip: Clip) -> Any:
    """A reader, or None where decord refuses the file."""
    path = b"" if is_remote(clip.source_uri) else local_path(clip.source_uri)
    try:
        if path and path == os.fsdecode(path).encode(errors="replace"):
            return decord.VideoReader(os.fsdecode(path), ctx=decord.cpu(0), num_threads=1)
        with open_source(clip.source) as file:  # from a bucket, or a name that is not UTF-8: all of it into memory
            return decord.VideoReader(file, ctx=decord.cpu(0), num_threads=1)
    except (decord.DECORDError, RuntimeError):
        return None


def _pixels(reader: Any, index: int) -> Rgb:
    try:
        pixels: Rgb = reader[index].asnumpy()
    except (decord.DECORDError, RuntimeError) as error:
        raise MediaError("decode_errors", f"frame {index}: {' '.join(str(error).split())[:200]}") from error
    return pixels
