"""One reading of a stream, from its begin or a place that was sought: packets are numbered and become frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import av.video

from preprocess.clocks import FILE, PacketClock, holds_picture
from preprocess.damage import Damage, GopDamage
from preprocess.errors import MediaError
from preprocess.file_bounds import WorkClock
from preprocess.opened import Opened
from preprocess.probe import container_name, quarter_turns
from preprocess.pulse import BEYOND_SECONDS, PULSE
from preprocess.stills import as_shown

_CHECK_PACKETS = 16
"""Packets between two looks at the clock, which cost a microsecond each."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame as it comes, with what its packet tells of it."""

    raw: av.VideoFrame
    number: int
    pts: int | None
    end_pts: int
    is_damaged: bool


@dataclass(slots=True)
class Progress:
    """How far frames have been given out, over all readings of a file: bounds and watchdog go by it."""

    work: WorkClock
    shown_ticks: int = 0
    end_pts: int = 0


class Reading:
    """Packets from where the container is, decoded in order."""

    def __init__(
        self,
        opened: Opened,
        kind: str,
        progress: Progress,
        *,
        step: int = 1,
        sought: bool = False,
        begin_dts: int | None = None,
        first_number: int = 0,
    ) -> None:
        """`kind`: of clock; `step`: ticks that a frame is shown, where nothing says. `sought`: the container is not at
        the file's begin, which has `begin_dts`. Packets before `first_number` are passed over."""
        self.damage = Damage()
        self._opened = opened
        self._stream = opened.stream
        self._progress = progress
        self._sought = sought
        self._first_number = first_number
        assert self._stream.time_base
        self._time_base: Fraction = self._stream.time_base
        self.times = PacketClock(
            kind,
            container=container_name(opened.container),
            time_base=self._time_base,
            begin_dts=begin_dts if sought else None,
        )
        self.times.step = step
        self.aspects = [(0, self._stream.codec_context.sample_aspect_ratio)]
        """The decoder's pixel aspects, each with the number of the packet from which on it is so."""
        self._gop = GopDamage(self.damage, self._stream.codec_context.name)
        self._broken_off = False

    def decoded(self) -> Iterator[Decoded]:
        """The frames, as far as the bounds allow; what cannot be decoded is counted and skipped.

        Whatever FFmpeg raises is about the file, "cannot allocate memory" (a length field of 4 GB) and "operation not
        permitted" (an odd header) included: the storage's own errors come through as what the reader raised.

        Raises:
            MediaError: the file is over its bounds, or its clock starts again where a place was sought.
        """
        times, gop = self.times, self._gop
        for packet in self.packets():
            number = times.next_number
            if packet.size and holds_picture(packet, self._stream):
                stamp = times.take(packet)
                if self._sought and times.restarts:
                    behind = float(self._progress.end_pts * self._time_base)
                    raise MediaError("clock_restarts", f"behind {behind:.1f} s")
                if number < self._first_number:
                    continue
                gop.packet(packet, number, stamp, begins=number == self._first_number)
            elif packet.size == 0 and packet.dts is not None:
                continue  # an empty one in mid-stream says that nothing has changed; to a decoder, that all is over
            try:
                frames = packet.decode()
            except av.error.EOFError:
                break
            except av.error.FFmpegError:
                frames = []
                if times.next_number > number:
                    gop.strike(number)
                    gop.lacks(stamp.pts)
            self._opened.see_pixels()
            for raw in frames:
                yield self._of(raw)
        gop.end(times.next_number if self._broken_off else None)

    def packets(self) -> Iterator[av.Packet[av.video.VideoStream]]:
        """Packets of the stream, within the bounds; nothing is decoded."""
        beside, progress = self._opened.beside, self._progress
        beside.begin()
        number = 0
        while True:
            if number % _CHECK_PACKETS == 0:  # of packets, not frames: those that lead up to an edit give none
                progress.work.check(float(progress.shown_ticks * self._time_base))
                PULSE.seconds = float(progress.end_pts * self._time_base) - BEYOND_SECONDS
            number += 1
            PULSE.beats += 1
            try:
                yield beside.next_picture()
            except StopIteration:
                return
            except IndexError:
                return  # PyAV's, at the end of a file whose sound began after it was opened; ours is flushed by then
            except av.error.FFmpegError:
                self._broken_off = True  # the file ends in the middle of something
                return

    def _of(self, raw: av.VideoFrame) -> Decoded:
        number = self.times.next_number - 1 if raw.pts is None else raw.pts
        pts = self.times.pts_of(raw)
        aspect = self._stream.codec_context.sample_aspect_ratio
        if aspect != self.aspects[-1][1]:
            self.aspects.append((self.times.next_number - 1, aspect))
        length = raw.duration if self.times.kind == FILE and raw.duration and raw.duration > 0 else self.times.step
        start, end = (0, 0) if pts is None else (pts, pts + length)
        damaged = self._gop.shown(raw, number, start, end)
        if self._opened.is_picture:
            raw = as_shown(raw, quarter_turns(raw.rotation), self._opened.mirrored)
        return Decoded(raw, number, pts, end, damaged)
