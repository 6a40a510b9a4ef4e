"""Where to begin to read, so that all frames of a source from a time on come out with the times they always have."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av

from preprocess.clocks import COUNTED, DECODING, FILE, MAX_PTS, clock_of_packets, kind_of_clock
from preprocess.errors import MediaError
from preprocess.opened import Opened
from preprocess.probe import container_name
from preprocess.reading import Decoded, Progress, Reading


class Seeker:
    """Readings of an opened source, one after the other.

    Raises:
        MediaError: no frame can be decoded.
    """

    def __init__(self, opened: Opened, progress: Progress, *, is_counted: bool) -> None:
        """`is_counted`: the clock starts again somewhere, so that times have to be counted."""
        self._opened = opened
        self._progress = progress
        self._counted = is_counted
        self._begin_dts: int | None = None
        self._step = 1
        self.stopped: MediaError | None = None
        """Why frames end before the file does: it is over its bounds."""
        self.kind = kind_of_clock(opened.container, opened.stream)
        self.reading = self._from_here()
        """The newest one; of another one, which led nowhere, nothing is left."""
        self.first, self._following = self._first_frame()
        assert opened.stream.time_base
        self._time_base: Fraction = opened.stream.time_base

    @property
    def clock(self) -> str:
        """What the times of frames are, as far as was read: one of `preprocess.clocks`."""
        return COUNTED if self._counted or self.reading.times.restarts else self.kind

    def set_step(self, ticks: int) -> None:
        """How long a frame is shown, where nothing says."""
        self._step = self.reading.times.step = ticks

    def after(self, start_seconds: float | None) -> Iterator[Decoded]:
        """The frames from a time on, or from a key frame before it; None is the first frame."""
        begin = self.first.pts or 0  # below zero where a broadcast's clock went round
        if start_seconds is None or start_seconds <= begin * self._time_base or self.kind == COUNTED:
            yield self.first
            yield from self._following
            return
        target = min(int(Fraction(start_seconds) / self._time_base), MAX_PTS)
        is_asf = container_name(self._opened.container) == "asf"  # FFmpeg makes other decoding times after a seek
        if self._counted or is_asf:
            number = 0 if self.kind == DECODING else self._key_before(target)
            self._opened.reopen()
            yield from self._frames_of(self._from_here(first_number=number))
            return
        for back_seconds in (0, 10):  # some indices point past the key frame that is needed
            if not self._seek(max(min(0, begin), target - int(back_seconds / self._time_base))):
                break
            decoded = self._frames_of(self._from_here(sought=True))
            landed = next((each for each in decoded if each.pts is not None and not each.is_damaged), None)
            if landed is not None and landed.pts is not None and landed.pts <= target:
                yield landed
                yield from decoded
                return
        self._opened.reopen()
        yield from self._frames_of(self._from_here())

    def _key_before(self, target: int) -> int:
        """Number of the packet from which on to decode, to have all frames from a time on; nothing is decoded here."""
        self._opened.reopen()
        reading = self._from_here()
        keys = deque([0, 0], maxlen=2)  # of two key frames, the later may be displayed behind what follows it
        for packet in reading.packets():
            stamp = reading.times.take(packet)
            if stamp.dts is not None and stamp.dts > target:
                break
            if stamp.is_key:
                keys.append(reading.times.next_number - 1)
        return keys[0]

    def _seek(self, pts: int) -> bool:
        """Whether the next packets are those from `pts` on, or a little before."""
        container, stream = self._opened.container, self._opened.stream
        try:
            container.seek(pts, stream=stream)
            if self.kind == DECODING:  # a key frame earlier still: times are known from the second one on
                landed = next((packet.dts for packet in container.demux(stream)), None)
                container.seek(pts if landed is None else landed - 1, stream=stream)
        except av.error.FFmpegError:  # "operation not permitted": there is no index, or it is broken
            return False
        return True

    def _first_frame(self) -> tuple[Decoded, Iterator[Decoded]]:
        """The first frame that has a time, and those behind it."""
        opened = self._opened
        decoded = self._frames_of(self.reading)
        first = next(decoded, None)
        if first is not None and self.kind == FILE and (first.pts is None or self.reading.times.is_doubtful):
            opened.reopen()
            self.kind = clock_of_packets(opened.container.demux(opened.stream), in_order=first.pts is not None)
            opened.reopen()
            decoded = self._frames_of(self._from_here())
            first = next(decoded, None)
        timed = (each for each in itertools.chain(() if first is None else (first,), decoded) if each.pts is not None)
        first = next(timed, None)
        if first is None:
            animated = ", as those of an animated WebP" if opened.stream.codec_context.name == "webp" else ""
            detail = f"{self.reading.damage.decode_errors} packets could not be decoded{animated}"
            raise self.stopped or MediaError("no_frames", detail)
        self._begin_dts = self.reading.times.begin_dts
        return first, timed

    def _from_here(self, *, sought: bool = False, first_number: int = 0) -> Reading:
        """A reading from where the container is. `sought`: that is not the file's begin. Packets before `first_number`
        are passed over."""
        self.reading = Reading(
            self._opened,
            self.kind,
            self._progress,
            step=self._step,
            sought=sought,
            begin_dts=self._begin_dts,
            first_number=first_number,
        )
        return self.reading

    def _frames_of(self, reading: Reading) -> Iterator[Decoded]:
        """All of a reading, as far as the bounds allow."""
        try:
            yield from reading.decoded()
        except MediaError as over:
            self.stopped = over
