"""When each frame is shown: by the file's own timestamps, or by times that are made where those tell no order.

A packet is given its number in the place of its timestamp before it is decoded. The frame that is coded in it comes out
with that number, whatever the order: so a frame's time, and whether what it was made from is damaged, is looked up and
never guessed. Who opens the same file gets the same times.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the records of clips are read without it
    import av
    import av.container
    import av.video

FILE = "file"
"""Frames have the times that the file gives them."""
DECODING = "decoding"
"""The file tells in which order and when packets are decoded (AVI, ASF, old Matroska). The first frame shown is given
the first of these times, and so on."""
COUNTED = "counted"
"""Times are counted from the first frame on: there are none (a raw stream), or they start again. To find such a frame
is to read the file from its begin."""

RAW_FORMATS = frozenset({"h264", "hevc", "m4v", "mpegvideo", "obu", "av1"})
"""Containers that are none: what they say of time is a default of FFmpeg's."""
DECODING_FORMATS = frozenset({"avi", "asf"})
"""Containers with decoding times alone. For frames that are displayed in another order FFmpeg makes display times up:
in AVI they come out of order, in ASF they are others after a seek."""

MAX_PTS = 1 << 62
"""Timestamps beyond are none: another second, and they would no longer fit the manifest's 64 bits."""
_FAR_BACK_SECONDS = 1
"""A clock that goes back by more has started again; by less, at a key frame only: else it is a slip of the muxer."""
_WRAPPED_TICKS = 1 << 32
"""FFmpeg takes a clock that starts again, in formats of 33 bits, for one that has gone round: 26 hours ahead."""
WRAPPING_FORMATS = frozenset({"mpegts", "mpeg"})
_REMEMBERED = 512
"""Packets whose numbers are known: no decoder holds more back."""


_SURVEYED = 500
"""Packets that are looked at where the first ones leave a doubt."""
_PARAMETERS_BYTES = 64
_H264_PARAMETERS = frozenset({6, 7, 8, 9, 12, 13, 15})
"""Types of NAL units (H.264, table 7-1) without anything of a picture."""


def kind_of_clock(container: av.container.InputContainer, stream: av.video.VideoStream) -> str:
    """By which times frames of a stream are shown, as far as its header says."""
    names, context = container.format.name.split(","), stream.codec_context
    if names[0] in RAW_FORMATS:
        return COUNTED
    if not context.has_b_frames:
        return FILE
    # Matroska that was made of AVI has its codecs' old names, and no more times than that had
    old = "matroska" in names and context.codec_tag != "\0\0\0\0"
    return DECODING if old or names[0] in DECODING_FORMATS else FILE


def clock_of_packets(packets: Iterable[av.Packet[av.video.VideoStream]], *, in_order: bool) -> str:
    """The same by the first packets, where some have no time, or `in_order` where each seems to be shown when decoded.

    In the latter case, and if there is no more to it, frames that come in another order have decoding times alone.
    """
    seen = [(packet.pts, packet.dts) for packet in itertools.islice(packets, _SURVEYED) if packet.size]
    if in_order:
        return DECODING if all(pts == dts for pts, dts in seen) else FILE
    if any(pts is not None for pts, _ in seen):
        return FILE
    return DECODING if any(dts is not None for _, dts in seen) else COUNTED


def holds_picture(packet: av.Packet[av.video.VideoStream], stream: av.video.VideoStream) -> bool:
    """False for a packet of H.264 with parameters alone, which some demuxers split off; no frame comes of it."""
    if packet.size > _PARAMETERS_BYTES or stream.codec_context.name != "h264":
        return True
    units = list(_units(bytes(packet)))
    return not units or any(not unit or unit[0] & 31 not in _H264_PARAMETERS for unit in units)


def _units(data: bytes) -> Iterator[bytes]:
    """NAL units behind start codes, or behind lengths of four bytes."""
    if data.startswith((b"\0\0\1", b"\0\0\0\1")):
        yield from data.split(b"\0\0\1")[1:]
        return
    while len(data) > 4:
        end = 4 + int.from_bytes(data[:4], "big")
        yield data[4:end]
        data = data[end:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What is known of a packet."""

    pts: int | None
    dts: int | None
    """Of `DECODING`, where it never lacks one; in ticks, like `pts`."""
    is_key: bool


class PacketClock:
    """The times of one reading of a stream, from its begin or from a place that was sought."""

    def __init__(self, kind: str, *, container: str, time_base: Fraction, begin_dts: int | None = None) -> None:
        """`begin_dts`: of the file's first packet, where this reading may begin with another one."""
        self.kind = kind
        self.step = 1
        """Ticks that a frame is shown, where nothing says."""
        self.restarts = 0
        """How often the file's clock has started again so far."""
        self.exact = begin_dts is None or kind != DECODING
        """Whether times are those that a reading from the begin gives: of `DECODING`, from the second key frame on."""
        self.begin_dts = begin_dts
        self.next_number = 0
        """Of packets, in the order of decoding."""
        self._far_back = int(_FAR_BACK_SECONDS / time_base)
        self._wraps = container in WRAPPING_FORMATS
        self._stamps: dict[int, Stamp] = {}
        self._offset = 0
        self._last_dts: int | None = None
        self._last_shown: int | None = None
        self._waiting: list[int] = []  # decoding times that no frame has been given yet
        self._shown: deque[int] = deque(maxlen=_REMEMBERED)  # numbers
        self._count = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether several packets were taken before the first frame came, each of which claims to be shown at once."""
        return len(self._stamps) > 1 and all(stamp.pts == stamp.dts for stamp in self._stamps.values())

    def take(self, packet: av.Packet[av.video.VideoStream]) -> Stamp:
        """Number the next packet, whose own times are read for the last time."""
        pts, dts = _believed(packet.pts), _believed(packet.dts)
        dts = pts if dts is None else dts
        if self.next_number == 0 and dts is not None:
            self.begin_dts = dts if self.begin_dts is None else self.begin_dts
            self.exact |= dts <= self.begin_dts
        if self.kind == DECODING and dts is None:
            dts = 0 if self._last_dts is None else self._last_dts - self._offset + self.step
        if dts is not None:
            dts = self._in_order(dts, pts if self.kind == FILE else dts, packet.is_keyframe)
        if self.kind == DECODING and dts is not None:
            heapq.heappush(self._waiting, dts)
        stamp = Stamp(pts=None if pts is None else pts + self._offset, dts=dts, is_key=packet.is_keyframe)
        self._stamps[self.next_number] = stamp
        self._stamps.pop(self.next_number - _REMEMBERED, None)
        packet.pts = self.next_number
        self.next_number += 1
        return stamp

    def pts_of(self, frame: av.VideoFrame) -> int | None:
        """When a frame is shown, in ticks; to be asked once of each, in the order of display. None for never."""
        self._count += 1
        if self.kind == COUNTED:
            return (self._count - 1) * self.step
        number = frame.pts
        if number is None or number not in self._stamps:
            return None
        if self.kind == FILE:
            return self._stamps[number].pts
        if frame.key_frame and number > 0:
            self._settle(number)
        self._shown.append(number)
        pts = heapq.heappop(self._waiting) if self._waiting else None
        return pts if self.exact else None

    def _settle(self, number: int) -> None:
        """Before a key frame is shown all that was decoded before it has been, or never will be: after a seek, or where
        a packet was lost, times are left over that belong to nothing."""
        waiting = self.next_number - number - sum(later > number for later in self._shown)
        while len(self._waiting) > max(0, waiting):
            heapq.heappop(self._waiting)
        self.exact = True

    def _in_order(self, dts: int, shown: int | None, is_key: bool) -> int:
        """The decoding time on a clock that does not start again. A key frame is shown behind all that was decoded
        before it: one that is not, by the file, is where the clock does; and so is a step far back, or over the end."""
        if self._last_dts is not None and self._last_shown is not None:
            forward = dts + self._offset - self._last_dts
            again = forward < -self._far_back or (self._wraps and forward > _WRAPPED_TICKS)
            behind = None if shown is None else self._last_shown - shown - self._offset
            if again or (is_key and behind is not None and behind >= 0):
                self.restarts += 1
                self._offset += self.step + (-forward if behind is None or not is_key else behind)
        dts += self._offset
        self._last_dts = dts if self._last_dts is None else max(self._last_dts, dts)
        if shown is not None:
            shown += self._offset
            self._last_shown = shown if self._last_shown is None else max(self._last_shown, shown)
        return dts


def _believed(time: int | None) -> int | None:
    return None if time is None or abs(time) > MAX_PTS else time
