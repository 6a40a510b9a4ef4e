"""Which packets of a reading are decoded: all that others are made from, and those that are measured or look odd.

All is decided within a group of pictures, from its key frame on: a reading that begins with that decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import av
import av.video
from av.video.codeccontext import VideoCodecContext

from preprocess.ahead import Coming
from preprocess.damage import Damage
from preprocess.grid import Grid
from preprocess.kept_packets import KeptPackets, Passed
from preprocess.packets import IsDisposable

_BUSY_PACKETS = 24
"""After one had to be decoded after all, so many that follow are decoded at once."""
_REPEATED = {True: 0.25, False: 0.05}
"""A picture in less than this part of the usual bytes of its kind, disposable or not, repeats another one, so that none
beside it is a mix of two."""
_ODD = 2.5
"""A picture in more than so many times the usual bytes shows something that those beside it do not."""
_USUAL_SHARE = 1 / 16
"""Of the newest packet in what is usual."""


class DecodePlan:
    """Of the packets of one reading."""

    def __init__(self, is_disposable: IsDisposable, grid: Grid, decoder: Callable[[], VideoCodecContext]) -> None:
        """`decoder`: makes another one for the same stream."""
        self._is_disposable = is_disposable
        self.is_needed = grid.takes
        """Whether a frame may be sampled, by its pts; to be asked in the order of display."""
        self._kept = KeptPackets(decoder)
        self._key_pts: int | None = None
        self._usual = {True: 0.0, False: 0.0}  # bytes, of packets that are disposable and those that are not
        self._repeats = False  # the newest of those that are not
        self._busy_until = 0
        self._key_number = 0  # of the newest key frame

    def passes_over(self, coming: Coming, damage: Damage, last_pts: int | None) -> bool:
        """Whether a packet is not decoded; to be asked of each with a picture, in the order of decoding. `last_pts`: of
        the newest frame that was given out."""
        packet, stamp = coming.packet, coming.stamp
        assert stamp is not None
        disposable = not stamp.is_key and self._is_disposable(packet)
        self._kept.add(packet, coming.number, stamp, is_disposable=disposable)
        if stamp.is_key:
            self._usual = {True: 0.0, False: 0.0}
            self._key_number, self._busy_until = coming.number, 0
        part = 1.0 if stamp.is_key else self._part(packet.size, disposable)
        if not disposable:
            self._repeats = part < _REPEATED[False]
            if stamp.is_key and self._key_pts is None:
                self._key_pts = stamp.pts
            return False
        if coming.is_needed is not False or coming.number < self._busy_until:
            return False
        if damage.decode_errors or self._kept.is_full or packet.is_corrupt or packet.is_discard:
            return False  # where something is damaged, all of it is to be found
        if stamp.pts is None or self._key_pts is None or stamp.pts <= self._key_pts:
            return False
        if last_pts is not None and stamp.pts <= last_pts:
            return False
        return _REPEATED[True] < part < _ODD and not self._repeats

    def _part(self, size: int, disposable: bool) -> float:
        """The bytes of a packet over those that are usual."""
        usual = self._usual[disposable] or size
        self._usual[disposable] = usual + _USUAL_SHARE * (size - usual)
        return size / usual

    def frames(self, passed: Sequence[Passed]) -> dict[int, av.VideoFrame]:
        """What was passed over and is wanted after all; what follows is not passed over, for a while."""
        last = max(each.number for each in passed)
        if last > self._key_number:
            self._busy_until = last + _BUSY_PACKETS
        return self._kept.frames(passed)
