"""Open one source and read what its header says: codec, displayed size, frame rate, and an id made of its bytes."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import IO, cast

import av
import av.container
import av.video
from av.stream import Disposition

from preprocess.clip import Source, VideoInfo
from preprocess.errors import MediaError
from preprocess.io.storage import filesystem, is_remote, local_path

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,gxf,rm,nut,dv,ivf,h264,"
    "hevc,av1,obu,m4v,mpegtsraw,wtv,y4m,yuv4mpegpipe,swf,gif,apng"
)
"""Demuxers that may open a source. Playlists (HLS, concat, DASH) are left out: a text file named .mp4 must not make us
open other files or addresses that it names."""

_IMAGES = "avif bmp heic jpeg jpg png psd svg tif tiff webp"
IMAGE_SUFFIXES = frozenset(f".{suffix}" for suffix in _IMAGES.split(" "))

_BLOCK = 1 << 20
_WHOLE_FILE_BYTES = 32 << 20
_SAMPLED_BLOCKS = 16


def open_source(source: Source) -> IO[bytes]:
    """The bytes of a source, seekable.

    Raises:
        MediaError: it is empty, is gone, may not be read, or is a picture.
    """
    if source.uri.lower().endswith(tuple(IMAGE_SUFFIXES)):
        raise MediaError("not_a_video", "a picture")
    try:
        if is_remote(source.uri):
            system, path = filesystem(source.uri)
            file = cast(IO[bytes], system.open_input_file(path))
        else:
            file = open(local_path(source.uri), "rb")  # noqa: SIM115, PTH123 - the caller closes it; bytes path
    except FileNotFoundError as error:
        raise MediaError("not_found", str(error)) from error
    except PermissionError as error:
        raise MediaError("not_readable", str(error)) from error
    if file.seek(0, 2) == 0:
        file.close()
        raise MediaError("empty_file", "0 bytes")
    file.seek(0)
    return file


def content_id(file: IO[bytes]) -> str:
    """32 hex digits of blake2b over the size and the bytes; over 16 spread MiB for files above 32 MiB.

    A film of several GB would otherwise be fetched twice from its bucket; two encodes of equal size that agree in all
    sampled blocks, the first and the last among them, are the same file for every practical purpose.
    """
    size = file.seek(0, 2)
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    if size <= _WHOLE_FILE_BYTES:
        offsets = list(range(0, size, _BLOCK))
    else:
        offsets = [(size - _BLOCK) * block // (_SAMPLED_BLOCKS - 1) for block in range(_SAMPLED_BLOCKS)]
    for offset in offsets:
        file.seek(offset)
        digest.update(file.read(_BLOCK))
    file.seek(0)
    return digest.hexdigest()


def open_container(file: IO[bytes]) -> av.container.InputContainer:
    """Open a container for demuxing.

    Raises:
        MediaError: no demuxer of `CONTAINERS` knows it, or its header is broken.
    """
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": ""}
    try:
        # strict metadata would raise on tags that are not UTF-8
        return av.open(file, "r", container_options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        text = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise MediaError("not_a_video", text) from error


def video_stream(container: av.container.InputContainer) -> av.video.VideoStream:
    """The stream to use: ffmpeg's best video stream, cover pictures left out.

    Raises:
        MediaError: there is no video stream, or no decoder for it.
    """
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        raise MediaError("no_video_stream", f"streams: {', '.join(s.type for s in container.streams) or 'none'}")
    best = container.streams.best("video")
    stream = next((s for s in moving if best is not None and s.index == best.index), moving[0])
    if stream.codec_context is None:
        raise MediaError("no_decoder", f"stream {stream.index}")
    return stream


def header_seconds(source: Source) -> float | None:
    """How long a video is, by its header alone; None where that does not say.

    Raises:
        MediaError: it cannot be opened as a video.
    """
    with open_source(source) as file, open_container(file) as container:
        return _duration_seconds(container, video_stream(container))


def video_info(
    container: av.container.InputContainer, stream: av.video.VideoStream, source_id: str, rotation: int = 0
) -> VideoInfo:
    """What the header says of `stream`; `rotation` comes from the first decoded frame (clockwise degrees).

    Raises:
        MediaError: the header names no picture size or time base.
    """
    context = stream.codec_context
    if not (context.width > 0 and context.height > 0 and stream.time_base):
        raise MediaError("broken_header", f"picture {context.width}x{context.height}, time base {stream.time_base}")
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width = max(1, round(context.width * aspect)) if aspect > 0 else context.width
    height = context.height
    if rotation in (90, 270):
        width, height = height, width
    return VideoInfo(
        source_id=source_id,
        container=container.format.name.split(",")[0],
        codec=context.name,
        pixel_format=context.pix_fmt or "",
        width=width,
        height=height,
        coded_width=context.width,
        coded_height=context.height,
        rotation=rotation,
        fps=_frame_rate(stream),
        time_base=stream.time_base,
        start_pts=stream.start_time or 0,
        duration_seconds=_duration_seconds(container, stream),
        has_audio=bool(container.streams.audio),
    )


def _frame_rate(stream: av.video.VideoStream) -> Fraction:
    """The average rate where it is sane; containers also say 0, 1000 (a time base) or 90000."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= 480:
            return Fraction(rate)
    return Fraction(25)


def _duration_seconds(container: av.container.InputContainer, stream: av.video.VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return container.duration / av.time_base
    return None
