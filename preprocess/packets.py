"""Which pictures no other one is made from, as packets themselves say: they can be left undecoded, each by itself.

In H.264 and H.265 they are half of the pictures of most files, and cost over a third of the decoding. VP9 has next to
none, AV1's decoder cannot be told from packet to packet, and files of cameras have none: there all is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import av
import av.video
from av.video.codeccontext import VideoCodecContext

from preprocess.cutting.h264_sets import sequence_set
from preprocess.cutting.nal import avcc, hvcc, is_annex_b, split
from preprocess.cutting.refusal import CannotCopy

Packet: TypeAlias = "av.Packet[av.video.VideoStream]"
IsDisposable: TypeAlias = Callable[[Packet], bool]

DECODE = ("auto", "all")
"""What of a video is decoded: the pictures that others are made from and those that are measured, or each of them."""

_H264_SLICES, _H264_SEQUENCE = (1, 5), 7
_H265_SEQUENCE = 33
_H265_UNREFERENCED = frozenset({0, 2, 4, 6, 8})
"""Types of slices that others of the same layer are not made from (H.265, table 7-1)."""
_UNITS_AHEAD = 8
"""Units of a packet that are looked at: a delimiter, parameters and messages come before the first slice."""


def disposables_of(context: VideoCodecContext) -> IsDisposable | None:
    """What says of a packet of a stream whether its picture may be left out; None where none may."""
    header = bytes(context.extradata or b"")
    try:
        if context.name == "h264":
            length_bytes, sets = _sets(header, avcc)
            return None if not _all_frames(sets) else lambda packet: _is_disposable_h264(packet, length_bytes)
        if context.name == "hevc":
            length_bytes, sets = _sets(header, hvcc)
            layers = {_layers(unit) for unit in sets if unit[0] >> 1 & 63 == _H265_SEQUENCE}
            # of layers in time, what a lower one leaves unreferenced a higher one may be made from
            return None if layers != {1} else lambda packet: _is_disposable_h265(packet, length_bytes)
    except (CannotCopy, ValueError, IndexError):
        return None
    return None


def _sets(header: bytes, box: Callable[[bytes], tuple[int, list[bytes]]]) -> tuple[int, list[bytes]]:
    """Bytes of a length, 0 where there are start codes, and the parameter sets."""
    return (0, split(header, 0)) if is_annex_b(header) else box(header)


def _all_frames(sets: list[bytes]) -> bool:
    """Whether no picture is of fields: two of them make a frame, and one may be made from the other."""
    sequences = [unit for unit in sets if unit[0] & 31 == _H264_SEQUENCE]
    return bool(sequences) and all(sequence_set(unit).frames_only for unit in sequences)


def _layers(unit: bytes) -> int:
    return (unit[2] >> 1 & 7) + 1


def _is_disposable_h264(packet: Packet, length_bytes: int) -> bool:
    for head in _unit_heads(packet, length_bytes):
        kind = head[0] & 31
        if kind in _H264_SLICES:
            return head[0] >> 5 & 3 == 0
        if kind == _H264_SEQUENCE:
            return False
    return False


def _is_disposable_h265(packet: Packet, length_bytes: int) -> bool:
    for head in _unit_heads(packet, length_bytes):
        kind = head[0] >> 1 & 63
        if kind < 32:
            return kind in _H265_UNREFERENCED
    return False


def _unit_heads(packet: Packet, length_bytes: int) -> Iterator[memoryview]:
    """The begins of the first units of a packet."""
    data, at = memoryview(packet), 0
    if length_bytes == 0:
        data = memoryview(bytes(data[: 1 << 12]))
    for _ in range(_UNITS_AHEAD):
        if length_bytes == 0:
            at = bytes(data).find(b"\0\0\1", at) + 3
            if at < 3 or at >= len(data):
                return
            yield data[at:]
        else:
            begin = at + length_bytes
            if begin >= len(data):
                return
            size = int.from_bytes(data[at:begin], "big")
            if size == 0 or begin + size > len(data):
                return
            yield data[begin:]
            at = begin + size
