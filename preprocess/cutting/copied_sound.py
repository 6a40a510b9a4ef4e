"""The sound of a span as packets of its source: nothing is lost, and it begins where the pictures do.

Packets of sound are short, and rarely begin where a picture does. The one that is heard at the span's begin is taken
whole, with as many before it as its decoder needs to be right by then. Their times are below 0, where an MP4 file's
edit list begins to play: readers decode them and let go of what is early, to the sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import av
import av.audio
import av.container

from preprocess.cutting.refusal import CannotCopy
from preprocess.pulse import PULSE

_LEAD_SECONDS = {
    "aac": Fraction(3, 100),
    "mp3float": Fraction(1, 4),
    "mp3": Fraction(1, 4),
    "opus": Fraction(8, 100),
    "libopus": Fraction(8, 100),
    "ac3": Fraction(4, 100),
    "eac3": Fraction(4, 100),
    "flac": Fraction(0),
}
"""By the decoder's name, of those that an MP4 file takes: how much earlier decoding must begin. AAC and AC-3 overlap
two blocks; RFC 7845 asks 80 ms of Opus; a frame of MP3 has bits in up to nine before it (of 26 ms each)."""
_SEEK_SECONDS = 1
_SEAM_SECONDS = Fraction(1, 200)
"""Where packets do not follow one another within this, sound has a gap, which its codec would close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPacket:
    """A packet that is to be written."""

    data: bytes
    pts: int
    """From the span's begin, in ticks of the sound's own clock; those that lead up to it are below 0."""
    duration: int

    @property
    def end_pts(self) -> int:
        """When it has been played."""
        return self.pts + self.duration


def copied_sound(
    container: av.container.InputContainer, stream: av.audio.AudioStream, start: Fraction, end: Fraction
) -> list[SoundPacket]:
    """The packets that are heard between two times of the file's clock, in seconds, and those that lead up to them.

    Nothing of a span without sound.

    Raises:
        CannotCopy: of the codec, of gaps, or since the container tells no times.
    """
    base = stream.time_base
    lead = _LEAD_SECONDS.get(stream.codec_context.name)
    if lead is None or not base:
        raise CannotCopy(f"sound of {stream.codec_context.name}")
    packets = [each for each in _read(container, stream, base, start, end) if each.end_pts * base > start - lead]
    if not packets or packets[-1].end_pts * base <= start:
        return []
    for earlier, later in pairwise(packets):
        if abs(later.pts - earlier.end_pts) * base > _SEAM_SECONDS:
            raise CannotCopy("its sound has gaps")
    begin, stop = round(start / base), round(end / base)
    return [replace(each, pts=each.pts - begin, duration=min(each.end_pts, stop) - each.pts) for each in packets]


def _read(
    container: av.container.InputContainer,
    stream: av.audio.AudioStream,
    base: Fraction,
    start: Fraction,
    end: Fraction,
) -> list[SoundPacket]:
    """From somewhat before `start` on, with the file's own times."""
    packets: list[SoundPacket] = []
    try:
        container.seek(max(int((start - _SEEK_SECONDS) / base), min(0, stream.start_time or 0)), stream=stream)
        for packet in container.demux(stream):
            PULSE.beats += 1
            if packet.size == 0:
                continue
            if packet.pts is None or not packet.duration or packet.is_corrupt:
                raise CannotCopy("its sound has no times, or is damaged")
            if packet.pts * base >= end:
                break
            packets.append(SoundPacket(data=bytes(packet), pts=packet.pts, duration=packet.duration))
    except av.error.FFmpegError as error:
        raise CannotCopy(f"its sound cannot be read: {error.strerror}") from error
    if packets and packets[0].pts * base > start and (stream.start_time or 0) < packets[0].pts:
        raise CannotCopy("the begin of its sound is not found")
    return packets
