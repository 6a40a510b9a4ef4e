"""The sound of a file whose pictures are copied: its packets too, or, where those cannot be, its samples encoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, TypeAlias

import av
import av.audio
import av.container

from preprocess.clip import Source
from preprocess.cutting.copied_sound import SoundPacket, copied_sound
from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.sound import Sound, span_sound
from preprocess.probe import open_container, open_source

Packets: TypeAlias = "list[av.Packet[Any]]"


class SoundTrack(ABC):
    """Sound that is written beside pictures, in the order in which both are played."""

    @abstractmethod
    def add_to(self, out: av.container.OutputContainer) -> None:
        """Make its stream."""

    @abstractmethod
    def until(self, seconds: Fraction) -> Packets:
        """Packets of it that have not been taken yet and begin before a time, since the span's begin."""

    @abstractmethod
    def rest(self) -> Packets:
        """All others."""

    @abstractmethod
    def begin(self) -> Fraction:
        """When its first packet is played, in seconds since the span's begin."""


@contextmanager
def sound_track(source: Source, start: Fraction, end: Fraction) -> Iterator[SoundTrack | None]:
    """The sound between two times of the file's clock, in seconds; None where there is none.

    Raises:
        MediaError, OSError: the file cannot be opened or read.
    """
    with open_source(source) as file, open_container(file) as container:
        stream = container.streams.best("audio")
        if not isinstance(stream, av.audio.AudioStream) or stream.codec_context is None:
            yield None
            return
        try:
            packets = copied_sound(container, stream, start, end)
        except CannotCopy:
            sound = span_sound(source, start, end)
            try:
                yield None if sound is None else _Encoded(sound, end - start)
            finally:
                if sound is not None:
                    sound.close()
            return
        yield _Copied(stream, packets) if packets else None


class _Copied(SoundTrack):
    def __init__(self, stream: av.audio.AudioStream, packets: list[SoundPacket]) -> None:
        assert stream.time_base
        self._template, self._time_base = stream, stream.time_base
        self._packets = packets[::-1]
        self._begin = packets[0].pts * stream.time_base

    def add_to(self, out: av.container.OutputContainer) -> None:
        self._stream = out.add_stream_from_template(self._template, opaque=True)
        self._stream.time_base = self._time_base

    def until(self, seconds: Fraction) -> Packets:
        taken = []
        while self._packets and self._packets[-1].pts * self._time_base < seconds:
            taken.append(self._packet(self._packets.pop()))
        return taken

    def rest(self) -> Packets:
        taken, self._packets = [self._packet(each) for each in reversed(self._packets)], []
        return taken

    def begin(self) -> Fraction:
        return self._begin

    def _packet(self, each: SoundPacket) -> av.Packet[Any]:
        packet: av.Packet[Any] = av.Packet(each.data)
        packet.pts = packet.dts = each.pts
        packet.duration, packet.time_base = each.duration, self._time_base
        packet.stream, packet.is_keyframe = self._stream, True
        return packet


class _Encoded(SoundTrack):
    def __init__(self, sound: Sound, seconds: Fraction) -> None:
        self._sound, self._seconds = sound, seconds
        self._begin: Fraction | None = None

    def add_to(self, out: av.container.OutputContainer) -> None:
        self._stream = self._sound.stream_in(out, "aac")

    def until(self, seconds: Fraction) -> Packets:
        frame = self._sound.until(seconds)
        return [] if frame is None else self._encoded(frame)

    def rest(self) -> Packets:
        return [*self.until(self._seconds), *self._encoded(None)]

    def begin(self) -> Fraction:
        return self._begin or Fraction(0)

    def _encoded(self, frame: av.AudioFrame | None) -> Packets:
        packets = list(self._stream.encode(frame))
        if self._begin is None and packets:  # before 0: an encoder's own lead
            self._begin = (packets[0].pts or 0) * packets[0].time_base
        return packets
