"""The packets of a track of sound around the clips that are open, and what of them is to be heard."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import av
import av.audio
import numpy as np

from preprocess.sound.blocks import Samples, contiguous, decoded
from preprocess.sound.heard import Heard

BEFORE_SECONDS = 0.25
"""Decoding starts so much earlier: blocks overlap, Opus asks for 80 ms, and MP3 may need what came eight frames ago."""
MOST_BYTES = 64 << 20
"""Of packets that are kept: a minute of eight channels as PCM of 24 bits at 48 kHz. Of more, the oldest are let go."""
MAX_RATE = 384_000
"""Samples a second that are believed: the most that sound cards do. Memory is taken by what a header says."""


@dataclass(frozen=True, slots=True)
class _Kept:
    packet: av.Packet[av.audio.AudioStream]
    start: float
    end: float
    """In seconds; the start where the container does not say how long it is."""


class SoundTrack:
    """One stream of sound of a container that is read by somebody else, who hands on its packets."""

    def __init__(self, stream: av.audio.AudioStream) -> None:
        self.stream = stream
        self._tick = float(stream.time_base or 0)
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._lost_before = float("-inf")
        self._newest = float("-inf")

    def take(self, packet: av.Packet[av.audio.AudioStream]) -> None:
        """The next one."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if not packet.size or stamp is None:
            return
        start = stamp * self._tick
        self._newest = start
        self._kept.append(_Kept(packet, start, start + (packet.duration or 0) * self._tick))
        self._bytes += packet.size
        while self._bytes > MOST_BYTES:
            self._let_go()
            self._lost_before = self._kept[0].start if self._kept else float("inf")

    def forget(self, seconds: float) -> None:
        """Clips that begin before this time will not be heard any more."""
        while self._kept and self._kept[0].end <= seconds - BEFORE_SECONDS:
            self._let_go()

    def clear(self) -> None:
        """Packets from another place of the file follow."""
        self._kept.clear()
        self._bytes, self._lost_before, self._newest = 0, float("-inf"), float("-inf")

    def reaches(self, seconds: float) -> bool:
        """Whether no more packets are to be waited for, to hear all until this time."""
        return self._newest >= seconds

    def heard(self, start: Fraction, end: Fraction) -> Heard | None:
        """Between two times of the container's clock, in seconds. None where nothing of the packets can be decoded, or
        where they are lost; where there are no packets, it is silent."""
        if self._lost_before > start:
            return None
        first, begin, stop = float(start) - BEFORE_SECONDS, float(start), float(end)
        near = [kept for kept in self._kept if kept.end > first and kept.start < stop]
        try:
            heard = _decoded([kept.packet for kept in near], self.stream, start, end)
        except (av.error.FFmpegError, ValueError):  # channels or rates that cannot be converted
            return None
        if heard is None and not any(kept.end > begin for kept in near):
            return Heard(samples=np.zeros((1, round((end - start) * 48_000)), np.float32), rate=48_000, layout="mono")
        return heard

    def _let_go(self) -> None:
        self._bytes -= self._kept.popleft().packet.size


def _decoded(
    packets: list[av.Packet[av.audio.AudioStream]], stream: av.audio.AudioStream, start: Fraction, end: Fraction
) -> Heard | None:
    """None where nothing is."""
    stream.codec_context.flush_buffers()
    blocks = decoded(packets, start)
    first = next(blocks, None)
    if first is None or first.rate > MAX_RATE:
        return None
    samples: Samples = np.concatenate(
        [*contiguous(first, blocks, start, round((end - start) * first.rate)), first.samples[:, :0]], axis=1
    )
    return Heard(samples=samples, rate=first.rate, layout=first.layout)
