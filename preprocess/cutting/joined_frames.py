"""Encode frames so that they fit before or behind packets of their source: its codec, pixels, colours and clock."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
import av.video
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from preprocess.cutting.bitstream import Bitstream
from preprocess.cutting.refusal import CannotCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A packet that is to be written."""

    data: bytes
    pts: int
    """In ticks of the source."""
    is_key: bool


def encode(
    frames: Iterable[av.VideoFrame],
    bitstream: Bitstream,
    *,
    time_base: Fraction,
    fps: Fraction,
    source: VideoCodecContext,
) -> list[Coded]:
    """One group of pictures that stands by itself; nothing of no frames. `source`: what decodes them.

    Raises:
        CannotCopy: there is no encoder for such pictures, or it makes other frames than it was given.
    """
    os.environ.setdefault("SVT_LOG", "1")  # errors only: the encoder of AV1 prints to standard error by itself
    context: VideoCodecContext | None = None
    packets: list[av.Packet[av.video.VideoStream]] = []
    given = []
    try:
        for frame in frames:
            if context is None:
                context = _encoder(bitstream, frame)
                context.time_base, context.framerate = time_base, fps
                if source.sample_aspect_ratio is not None:  # as its bits tell it: the container's word counts for both
                    context.sample_aspect_ratio = source.sample_aspect_ratio
            frame.pict_type = PictureType.NONE  # the encoder would make it what it was in the source
            frame.time_base = time_base
            given.append(frame.pts)
            packets += context.encode(frame)
        if context is not None:
            packets += context.encode(None)
    except av.error.FFmpegError as error:
        raise CannotCopy(f"it cannot be encoded: {error.strerror}") from error
    if [packet.pts for packet in packets] != given or (packets and not packets[0].is_keyframe):
        raise CannotCopy("an encoder that changes times")
    data = bitstream.encoded([bytes(packet) for packet in packets])
    return [
        Coded(data=each, pts=packet.pts or 0, is_key=packet.is_keyframe)
        for each, packet in zip(data, packets, strict=True)
    ]


def _encoder(bitstream: Bitstream, frame: av.VideoFrame) -> VideoCodecContext:
    context = next((made for name in bitstream.encoders if (made := _created(name, frame.format.name))), None)
    if context is None:
        raise CannotCopy(f"no encoder for {frame.format.name}: {', '.join(bitstream.encoders)}")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.color_range, context.colorspace = frame.color_range, frame.colorspace
    context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
    # One worker process runs on each core already.
    context.thread_count = 1
    context.options = dict(bitstream.options(max(each.bits for each in frame.format.components)))
    return context


def _created(name: str, pixel_format: str) -> VideoCodecContext | None:
    """None where FFmpeg was built without it, or it takes no such pixels."""
    try:
        codec = av.Codec(name, "w")
    except UnknownCodecError:
        return None
    if all(each.name != pixel_format for each in codec.video_formats or ()):
        return None
    context = codec.create("video")
    assert isinstance(context, VideoCodecContext)
    return context
