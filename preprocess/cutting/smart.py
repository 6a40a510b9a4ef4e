"""Cut a span out of a file frame by frame, copying what can be copied: without loss, and many times faster.

A span that begins on a key frame is copied. Of any other, frames up to the first key frame in it are encoded again, in
the source's own codec, and the rest is copied; so are, where frames are reordered across the end, the last few. What
cannot be proven to come out right is refused (`CannotCopy`), to be encoded in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import av.container
import av.video

from preprocess.clip import Clip, Source
from preprocess.clocks import FILE
from preprocess.cutting.bitstream import Bitstream
from preprocess.cutting.copied_file import Film, check, write
from preprocess.cutting.h264 import H264
from preprocess.cutting.h265 import H265
from preprocess.cutting.joined_frames import Coded, encode
from preprocess.cutting.open_formats import Av1, Vp9
from preprocess.cutting.proof import check_pictures
from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.result import CutFile
from preprocess.cutting.sound_track import sound_track
from preprocess.cutting.source_packets import VideoPacket, decoded, read_packets
from preprocess.cutting.splice import PacketTime, Splice, plan_splice
from preprocess.probe import open_container, open_source, video_stream

_BITSTREAMS: dict[str, Callable[[bytes | None], Bitstream]] = {
    "h264": H264,
    "hevc": H265,
    "vp9": Vp9,
    "libdav1d": Av1,
    "av1": Av1,
}
"""By the decoder's name."""


def copy_span(source: Source, clip: Clip, dest: Path, *, damaged: bool = False) -> CutFile:
    """Write the frames of a clip to an MP4 file, each with the time it has, counted from the clip's begin.

    Pictures are as they were: size, pixel format, colour tags, pixel aspect and rotation. The file appears at `dest`
    whole, or is taken away again. `damaged`: what the manifest says of the clip.

    Raises:
        CannotCopy: it has to be encoded in full; the reason says why.
        MediaError: the source cannot be opened.
        OSError: it cannot be read, or `dest` not be written.
    """
    if clip.clock != FILE:
        raise CannotCopy(f"times are made up: {clip.clock}")
    if damaged:
        raise CannotCopy("frames are damaged")
    with open_source(source) as file, open_container(file) as container:
        stream = video_stream(container)
        if stream.time_base != clip.time_base:
            raise CannotCopy(f"the clock has changed: {stream.time_base} s a tick, not {clip.time_base}")
        packets, splice, film = _join(container, stream, clip)
        with sound_track(source, clip.start_pts * clip.time_base, clip.end_pts * clip.time_base) as sound:
            try:
                write(film, stream, sound, dest)
                check(film, sound, dest)
                if film.bitstream.is_changed:
                    same = decoded(stream, packets, splice.copy_pts, splice.tail_pts)
                    check_pictures(dest, clip.num_frames, same, num_before=film.num_before)
            except BaseException:
                dest.unlink(missing_ok=True)
                raise
    return CutFile(
        name=dest.name,
        method="smart" if len(splice.copied) < clip.num_frames else "copy",
        width=clip.width,
        height=clip.height,
        fps=float(clip.fps),
        num_frames=clip.num_frames,
        duration_seconds=clip.duration_seconds,
        has_audio=sound is not None,
        size_bytes=dest.stat().st_size,
    )


def _join(
    container: av.container.InputContainer, stream: av.video.VideoStream, clip: Clip
) -> tuple[list[VideoPacket], Splice, Film]:
    """The source's packets, which of them are copied, and what is to be written."""
    context = stream.codec_context
    context.thread_count = 1
    if context.name not in _BITSTREAMS:
        raise CannotCopy(f"codec {context.name}")
    bitstream = _BITSTREAMS[context.name](context.extradata)
    packets = read_packets(container, stream, clip.start_pts, clip.end_pts)
    times = [
        PacketTime(pts=packet.pts or 0, starts=packet.is_keyframe and bitstream.starts(bytes(packet)))
        for packet in packets
    ]
    num_frames = sum(clip.start_pts <= each.pts < clip.end_pts for each in times)
    if num_frames != clip.num_frames:
        raise CannotCopy(f"{num_frames} packets for {clip.num_frames} frames")
    splice = plan_splice(times, clip.start_pts, clip.end_pts)
    head, tail = _encoded(stream, packets, times, splice, clip, bitstream)
    data = bitstream.copied([bytes(packets[at]) for at in splice.copied], is_joined=bool(head or tail))
    copied = [
        Coded(data=each, pts=packets[at].pts or 0, is_key=packets[at].is_keyframe)
        for each, at in zip(data, splice.copied, strict=True)
    ]
    whole = [replace(each, pts=each.pts - clip.start_pts) for each in (*head, *copied, *tail)]
    film = Film(
        packets=whole,
        num_before=len(head),
        bitstream=bitstream,
        time_base=clip.time_base,
        end_pts=clip.end_pts - clip.start_pts,
    )
    return packets, splice, film


def _encoded(
    stream: av.video.VideoStream,
    packets: Sequence[VideoPacket],
    times: Sequence[PacketTime],
    splice: Splice,
    clip: Clip,
    bitstream: Bitstream,
) -> tuple[list[Coded], list[Coded]]:
    """Head and tail."""
    parts: list[list[Coded]] = []
    last_start = max(at for at in splice.copied if times[at].starts)
    for begin, span in ((0, (clip.start_pts, splice.copy_pts)), (last_start, (splice.tail_pts, clip.end_pts))):
        if span[0] >= span[1]:
            parts.append([])
            continue
        frames = decoded(stream, packets[begin:], *span)
        context = stream.codec_context
        parts.append(encode(frames, bitstream, time_base=clip.time_base, fps=clip.fps, source=context))
    return parts[0], parts[1]
