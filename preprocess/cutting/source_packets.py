"""The packets of a span as a source's container has them, and frames decoded of them; what is doubtful is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import av
import av.container
import av.video

from preprocess.cutting.refusal import CannotCopy
from preprocess.pulse import PULSE

VideoPacket: TypeAlias = "av.Packet[av.video.VideoStream]"
_REORDERED = 32
"""Packets in a row that are shown behind the end, after which none is shown before it: decoders hold 16 frames back, of
two fields. Matroska has no decoding times, which would tell earlier."""
_FURTHER_SECONDS = 10
"""Some indices point past the key frame that is needed; so much earlier is looked as well."""


def read_packets(
    container: av.container.InputContainer, stream: av.video.VideoStream, start_pts: int, end_pts: int
) -> list[VideoPacket]:
    """In the order of decoding, from a key frame shown at `start_pts` or before to the last that can be shown before
    `end_pts`.

    Raises:
        CannotCopy: the container cannot be sought, or says what does not fit together.
    """
    assert stream.time_base
    further = int(_FURTHER_SECONDS / stream.time_base)
    begin = min(0, stream.start_time or 0)
    for target in (start_pts, max(begin, start_pts - further), begin):
        packets = _from(container, stream, target, start_pts, end_pts)
        if packets:
            return packets
    raise CannotCopy("no key frame is found before it")


def _from(
    container: av.container.InputContainer, stream: av.video.VideoStream, target: int, start_pts: int, end_pts: int
) -> list[VideoPacket]:
    """The same from a place that is sought; nothing where that lies behind the begin."""
    packets: list[VideoPacket] = []
    beyond = 0
    try:
        container.seek(target, stream=stream)
        for packet in container.demux(stream):
            PULSE.beats += 1
            if packet.size == 0 or (not packets and not packet.is_keyframe):
                continue
            if packet.pts is None:
                raise CannotCopy("packets without times")
            if not packets and packet.pts > start_pts:
                return []
            beyond = beyond + 1 if packet.pts >= end_pts else 0
            if beyond > _REORDERED or (packet.dts is not None and packet.dts >= end_pts):
                break
            packets.append(packet)
    except av.error.FFmpegError as error:
        raise CannotCopy(f"its packets cannot be read: {error.strerror}") from error
    _check(packets, start_pts, end_pts)
    return packets


def _check(packets: Sequence[VideoPacket], start_pts: int, end_pts: int) -> None:
    times = [packet.pts or 0 for packet in packets]
    if len(set(times)) < len(times):
        raise CannotCopy("two packets are shown at once")
    within = [packet for packet, pts in zip(packets, times, strict=True) if start_pts <= pts < end_pts]
    if any(packet.is_corrupt for packet in packets):
        raise CannotCopy("a packet is damaged")
    if any(packet.is_discard for packet in within):
        raise CannotCopy("an edit list hides packets")
    if any(packet.has_sidedata("new_extradata") for packet in packets):
        raise CannotCopy("parameter sets change")


def decoded(
    stream: av.video.VideoStream, packets: Sequence[VideoPacket], start_pts: int, end_pts: int
) -> Iterator[av.VideoFrame]:
    """The frames of [start_pts, end_pts), of packets from a key frame on, those that lie in the span among them.

    Raises:
        CannotCopy: not each packet of the span gives one sound frame, of one size and kind.
    """
    due = sorted(packet.pts for packet in packets if packet.pts is not None and start_pts <= packet.pts < end_pts)
    look, count = None, 0
    for frame in _frames(stream, packets):
        if count == len(due):
            return
        if frame.pts is None or frame.pts < start_pts:
            continue
        if frame.pts != due[count] or frame.is_corrupt:
            raise CannotCopy("a frame that cannot be decoded")
        if frame.interlaced_frame:
            raise CannotCopy("interlaced pictures")
        if (now := (frame.width, frame.height, frame.format.name)) != (look := look or now):
            raise CannotCopy("pictures change")
        count += 1
        yield frame
    if count < len(due):
        raise CannotCopy("a frame that cannot be decoded")


def _frames(stream: av.video.VideoStream, packets: Sequence[VideoPacket]) -> Iterator[av.VideoFrame]:
    context = stream.codec_context
    if context.is_open:
        context.flush_buffers()
    try:
        for packet in packets:
            PULSE.beats += 1
            yield from context.decode(packet)
        yield from context.decode(None)
    except av.error.FFmpegError as error:
        raise CannotCopy(f"a packet cannot be decoded: {error.strerror}") from error
