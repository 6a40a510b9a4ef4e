"""Which frames are made of damaged data: from the packet that could not be decoded to the next key frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import av
import av.video

from preprocess.clocks import Stamp

_MAX_SPANS = 1000
_REORDERED = 32
"""Packets after which the frame of one must have come: decoders hold up to 16 frames back, of two fields."""

_ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "mpeg4", "mpeg2video", "vp9", "libdav1d", "av1"})
"""Decoders that make of each packet a frame, where all is well."""
_EMPTY_BYTES = 24
_LEADING = 16
"""Frames that may be displayed before a key frame and are decoded after it."""


@dataclass(slots=True)
class Damage:
    """What went wrong while decoding, counted instead of hidden."""

    decode_errors: int = 0
    """Frames and packets that could not be decoded as they were meant."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Half-open spans of pts, in order of display, that hold frames which errors have changed, or lack frames."""

    def mark(self, start_pts: int, end_pts: int) -> None:
        """A span is damaged. Beyond the first thousand all between the last one and this counts as damaged, too."""
        if start_pts >= end_pts:
            return
        if self.spans and (self.spans[-1][1] >= start_pts or len(self.spans) >= _MAX_SPANS):
            start, end = self.spans[-1]
            self.spans[-1] = (min(start, start_pts), max(end, end_pts))
        else:
            self.spans.append((start_pts, end_pts))

    def touches(self, start_pts: int, end_pts: int) -> bool:
        """Whether anything in a half-open span is damaged."""
        return any(start < end_pts and end > start_pts for start, end in self.spans)


class GopDamage:
    """Follows the numbers of packets, in the order of decoding, and the frames that come of them, in that of display.

    What an error leaves behind is used by all frames that are decoded after it, those included that are shown before
    it, up to the next key frame, or point of recovery, that was decoded without one.
    """

    def __init__(self, damage: Damage, codec: str) -> None:
        self._damage = damage
        self._expects = codec in _ONE_FRAME_A_PACKET
        self._landing: tuple[int, int | None] | None = None
        """Number and pts of the key frame that decoding began with."""
        self._doubted: int | None = None
        """The packet that a broken transport packet was noticed in, until it is known what that means."""
        self._from: int | None = None
        self._shown: deque[tuple[int, int, int]] = deque(maxlen=2 * _REORDERED)
        self._key = -1, 0  # number and pts of the last key frame that was shown
        self._expected: dict[int, int | None] = {}  # pts by number, in order

    def packet(self, packet: av.Packet[av.video.VideoStream], number: int, stamp: Stamp, *, begins: bool) -> None:
        """The next packet with a picture, before it is decoded. `begins`: nothing before it was, though it may need it.

        The mark of a broken transport packet comes a packet early, and also where two files were joined: it counts
        where no key frame follows within two packets.
        """
        if begins and not stamp.is_key:
            self.strike(-1)
        if self._doubted is not None and (stamp.is_key or number == self._doubted + 2):
            if not stamp.is_key:
                self.strike(self._doubted)
            self._doubted = None
        if packet.is_corrupt and self._doubted is None:
            self._doubted = number
        if self._landing is None and stamp.is_key:
            self._landing = number, stamp.pts
        if self._expects and self._is_awaited(packet, number, stamp):
            self._expected[number] = stamp.pts
            self._miss(number - _REORDERED)

    def _is_awaited(self, packet: av.Packet[av.video.VideoStream], number: int, stamp: Stamp) -> bool:
        """Whether a frame must come of a packet: that none does is how some decoders take damage.

        None comes of what stands before the key frame that decoding began with, or is displayed before it, nor of the
        short packets by which old codecs say that nothing has changed.
        """
        if self._landing is None or packet.is_discard or packet.size < _EMPTY_BYTES:
            return False
        key, key_pts = self._landing
        if stamp.pts is None or key_pts is None:
            return number == key or number > key + _LEADING
        return stamp.pts >= key_pts

    def end(self, broken_off: int | None) -> None:
        """No more frames come. `broken_off`: the number of the packet in which the file ends, where it does so."""
        if self._expected:
            self._miss(max(self._expected) + 1)
        spoilt = broken_off if self._doubted is None else self._doubted
        if spoilt is not None:
            self.strike(spoilt)

    def _miss(self, before: int) -> None:
        """Frames of packets before this number come no more."""
        while self._expected and (number := next(iter(self._expected))) < before:
            pts = self._expected.pop(number)
            key, key_pts = self._key
            # what is displayed before a key frame and decoded after it is used by nothing behind that
            leads = pts is not None and number > key and pts < key_pts
            if not leads and (self._from is None or number < self._from):
                self.strike(number)
            self.lacks(pts)

    def strike(self, number: int) -> None:
        """The packet of this number could not be decoded as was meant; -1: what it builds on is not there."""
        self._damage.decode_errors += number >= 0
        self._from = number if self._from is None else min(self._from, number)
        for shown, start, end in self._shown:
            if shown >= number:
                self._damage.mark(start, end)

    def lacks(self, pts: int | None) -> None:
        """There is no frame where one was to be shown; None where that is not known: behind the last one."""
        if pts is None and self._shown:
            pts = self._shown[-1][1]
        if pts is not None:
            self._damage.mark(pts, pts + 1)

    def shown(self, raw: av.VideoFrame, number: int, pts: int, end_pts: int) -> bool:
        """Whether the next frame, of the packet of that number, is damaged."""
        self._expects = self._expects and not raw.interlaced_frame  # two packets may be the fields of one frame
        self._expected.pop(number, None)
        if raw.key_frame:
            self._miss(number)
            self._key = number, pts
        if raw.is_corrupt:
            self.strike(number)
        elif self._from is not None and raw.key_frame and number > self._from:
            self._from = None
        damaged = self._from is not None and number >= self._from
        if damaged:
            self._damage.mark(pts, end_pts)
        self._shown.append((number, pts, end_pts))
        return damaged
