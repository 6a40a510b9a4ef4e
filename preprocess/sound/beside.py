"""One reading of a file for both: packets of the picture are given out, those of the sound are kept beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.audio
import av.container
import av.video

from preprocess.sound.heard import Heard
from preprocess.sound.track import SoundTrack

AHEAD_SECONDS = 2.0
"""How much later than the picture its sound may lie in a file: writers keep both within a second of each other, and
broadcasts send pictures a second ahead. What is further away is not waited for."""
_MOST_AHEAD = 1000
"""Packets that are read ahead at most, where their times say nothing."""


class Beside:
    """Packets of one stream of pictures, and the best one of sound, where anybody listens."""

    def __init__(self, container: av.container.InputContainer, picture: av.video.VideoStream, *, listens: bool) -> None:
        self._container = container
        self._picture = picture
        best = container.streams.best("audio") if listens else None
        sounds = isinstance(best, av.audio.AudioStream) and best.codec_context is not None
        self._track = SoundTrack(best) if isinstance(best, av.audio.AudioStream) and sounds else None
        self.has_track = bool(container.streams.audio)
        self.offset_seconds = _offset(picture, best)
        self._packets: Iterator[av.Packet[Any]] = iter(())
        self._ahead: deque[av.Packet[av.video.VideoStream] | Exception] = deque()

    def begin(self) -> None:
        """Read from where the container is now."""
        self._ahead.clear()
        if self._track is None:
            self._packets = self._container.demux(self._picture)
        else:
            self._track.clear()
            self._packets = self._container.demux(self._picture, self._track.stream)

    def next_picture(self) -> av.Packet[av.video.VideoStream]:
        """The next packet of the picture.

        Raises:
            StopIteration, IndexError, FFmpegError, OSError: as PyAV's `demux` does.
        """
        if not self._ahead:
            return self._read()
        found = self._ahead.popleft()
        if isinstance(found, Exception):
            raise found
        return found

    def heard(self, start: Fraction, end: Fraction) -> Heard | None:
        """The sound between two times of the container's clock, in seconds; a little is read ahead for it. None where
        there is none, or it cannot be decoded."""
        if self._track is None:
            return None
        while not self._track.reaches(float(end)) and self._may_read_on(float(end)):
            try:
                self._ahead.append(self._read())
            except (
                StopIteration,
                IndexError,
                OSError,
                av.error.FFmpegError,
            ) as error:  # its turn comes when the pictures before it are taken
                self._ahead.append(error)
        return self._track.heard(start, end)

    def forget(self, seconds: float) -> None:
        """Clips that begin before this time will not be heard any more."""
        if self._track is not None:
            self._track.forget(seconds)

    def _read(self) -> av.Packet[av.video.VideoStream]:
        while True:
            packet = next(self._packets)
            if self._track is None or packet.stream_index == self._picture.index:
                return packet
            self._track.take(packet)

    def _may_read_on(self, seconds: float) -> bool:
        if not self._ahead:
            return True
        last = self._ahead[-1]
        if isinstance(last, Exception) or len(self._ahead) >= _MOST_AHEAD:
            return False
        return last.dts is None or not last.time_base or last.dts * last.time_base < seconds + AHEAD_SECONDS


def _offset(picture: av.video.VideoStream, sound: object) -> float | None:
    """Seconds from the begin of the picture to that of the sound, by the container."""
    if not isinstance(sound, av.audio.AudioStream):
        return None
    begins = [
        stream.start_time * stream.time_base
        for stream in (picture, sound)
        if stream.start_time is not None and stream.time_base
    ]
    return float(begins[1] - begins[0]) if len(begins) == 2 else None
