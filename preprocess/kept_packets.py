"""The newest packets, from a key frame on, so that what was left undecoded can be decoded after all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import av
import av.video
from av.video.codeccontext import VideoCodecContext

from preprocess.clocks import Stamp
from preprocess.packets import Packet

_LEAST = 128
"""Packets that are kept at least: the shot detector is given 32 frames at a time, and decoders hold 16 back."""
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Passed:
    """A frame that was not decoded, as its packet tells of it."""

    number: int
    pts: int
    end_pts: int


@dataclass(frozen=True, slots=True)
class _Kept:
    packet: Packet
    number: int
    pts: int | None
    is_disposable: bool


class KeptPackets:
    """Packets of the last groups of pictures, each of which begins with a key frame."""

    def __init__(self, decoder: Callable[[], VideoCodecContext]) -> None:
        """`decoder`: makes another one for the same stream."""
        self._new_decoder = decoder
        self._groups: deque[list[_Kept]] = deque()
        self._bytes = 0
        self._decoder: VideoCodecContext | None = None
        self._fed = -1

    @property
    def is_full(self) -> bool:
        """Whether no more should be left undecoded."""
        return self._bytes > _MOST_BYTES

    def add(self, packet: Packet, number: int, stamp: Stamp, *, is_disposable: bool) -> None:
        """The next one, whether or not it is decoded."""
        if stamp.is_key:
            while len(self._groups) > 1 and self._groups[1][0].number < number - _LEAST:
                self._forget()
            self._groups.append([])
        if not self._groups:
            return
        self._groups[-1].append(_Kept(packet, number, stamp.pts, is_disposable))
        self._bytes += packet.size

    def frames(self, passed: Sequence[Passed]) -> dict[int, av.VideoFrame]:
        """The frames of packets that were left undecoded, by their numbers; those that cannot be decoded are left out.

        One decoder goes on from where it was, where that is possible: it must see each reference up to there.
        """
        wanted = {each.number for each in passed}
        first = min(passed, key=lambda each: each.number)
        begin = self._begin(first)
        if self._decoder is None or not begin <= self._fed < first.number:
            self._decoder, self._fed = self._new_decoder(), begin - 1
        found: dict[int, av.VideoFrame] = {}
        for kept in self._packets_after(self._fed):
            if len(found) == len(wanted):
                break
            if kept.is_disposable and kept.number not in wanted:
                continue
            self._fed = kept.number
            found |= self._decoded(kept.packet, wanted)
        if len(found) < len(wanted):  # the last ones come out at the end only
            found |= self._decoded(None, wanted)
            self._decoder = None
        return found

    def _decoded(self, packet: Packet | None, wanted: set[int]) -> dict[int, av.VideoFrame]:
        assert self._decoder is not None
        try:
            frames = self._decoder.decode(packet)
        except av.error.FFmpegError:
            return {}
        return {raw.pts: raw for raw in frames if raw.pts is not None and raw.pts in wanted}

    def _begin(self, first: Passed) -> int:
        """Number of the key frame to begin with: what is displayed before one may be made from the group before it."""
        at = max((index for index, group in enumerate(self._groups) if group[0].number <= first.number), default=0)
        key_pts = self._groups[at][0].pts
        if at and (key_pts is None or first.pts < key_pts):
            at -= 1
        return self._groups[at][0].number

    def _packets_after(self, number: int) -> Iterator[_Kept]:
        for group in self._groups:
            if group[-1].number > number:
                yield from (kept for kept in group if kept.number > number)

    def _forget(self) -> None:
        self._bytes -= sum(kept.packet.size for kept in self._groups.popleft())
