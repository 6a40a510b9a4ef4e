"""One reading of a stream, from its begin or a place that was sought: packets are numbered and become frames."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import av.video

from preprocess.ahead import Coming, looked_at
from preprocess.clocks import FILE, PacketClock, holds_picture
from preprocess.damage import Damage, GopDamage
from preprocess.decode_plan import DecodePlan
from preprocess.errors import MediaError
from preprocess.file_bounds import WorkClock
from preprocess.grid import Grid
from preprocess.kept_packets import Passed
from preprocess.opened import Opened
from preprocess.probe import container_name, frame_rate, quarter_turns
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
        self._sent = 0  # number of the newest packet that the decoder was given
        self._last_pts: int | None = None
        self._passed: list[tuple[int, Passed]] = []
        self._plan: DecodePlan | None = None
        if kind == FILE and first_number == 0 and opened.is_disposable is not None:
            fps = frame_rate(container_name(opened.container), self._stream)
            self._plan = DecodePlan(opened.is_disposable, Grid(self._time_base, fps), opened.another_decoder)

    def again(self, passed: Sequence[Passed]) -> dict[int, av.VideoFrame]:
        """Frames that were not decoded, by their numbers, as far as they can be; those to come are, for a while."""
        assert self._plan is not None
        found = self._plan.frames(passed)
        for lost in (each for each in passed if each.number not in found):
            self.damage.decode_errors += 1
            self.damage.mark(lost.pts, lost.end_pts)
        return found

    def decoded(self) -> Iterator[Decoded | Passed]:
        """The frames, as far as the bounds allow; what cannot be decoded is counted and skipped.

        Whatever FFmpeg raises is about the file, "cannot allocate memory" (a length field of 4 GB) and "operation not
        permitted" (an odd header) included: the storage's own errors come through as what the reader raised.

        Raises:
            MediaError: the file is over its bounds, or its clock starts again where a place was sought.
        """
        times, gop = self.times, self._gop
        for coming in self._coming():
            packet, number, stamp = coming.packet, coming.number, coming.stamp
            if stamp is not None:
                if self._sought and coming.restarts:
                    behind = float(self._progress.end_pts * self._time_base)
                    raise MediaError("clock_restarts", f"behind {behind:.1f} s")
                if number < self._first_number:
                    continue
                gop.packet(packet, number, stamp, begins=number == self._first_number)
                if self._plan is not None and self._plan.passes_over(coming, self.damage, self._last_pts):
                    gop.passed_over(number)
                    assert stamp.pts is not None
                    length = packet.duration if packet.duration and packet.duration > 0 else times.step
                    heapq.heappush(self._passed, (stamp.pts, Passed(number, stamp.pts, stamp.pts + length)))
                    continue
                self._sent = number
            elif packet.size == 0 and packet.dts is not None:
                continue  # an empty one in mid-stream says that nothing has changed; to a decoder, that all is over
            try:
                frames = packet.decode()
            except av.error.EOFError:
                break
            except av.error.FFmpegError:
                frames = []
                if stamp is not None:
                    gop.strike(number)
                    gop.lacks(stamp.pts)
            self._opened.see_pixels()
            for raw in frames:
                each = self._of(raw)
                while self._passed and each.pts is not None and self._passed[0][0] < each.pts:
                    yield heapq.heappop(self._passed)[1]
                self._last_pts = each.pts
                yield each
        yield from (passed for _, passed in sorted(self._passed))
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

    def _numbered(self) -> Iterator[Coming]:
        times = self.times
        for packet in self.packets():
            number, has_picture = times.next_number, packet.size and holds_picture(packet, self._stream)
            yield Coming(packet, number, times.take(packet) if has_picture else None, times.restarts)

    def _coming(self) -> Iterator[Coming]:
        return self._numbered() if self._plan is None else looked_at(self._numbered(), self._plan.is_needed)

    def _of(self, raw: av.VideoFrame) -> Decoded:
        number = self._sent if raw.pts is None else raw.pts
        pts = self.times.pts_of(raw)
        aspect = self._stream.codec_context.sample_aspect_ratio
        if aspect != self.aspects[-1][1]:
            self.aspects.append((self._sent, aspect))
        length = raw.duration if self.times.kind == FILE and raw.duration and raw.duration > 0 else self.times.step
        start, end = (0, 0) if pts is None else (pts, pts + length)
        damaged = self._gop.shown(raw, number, start, end)
        if self._opened.is_picture:
            raw = as_shown(raw, quarter_turns(raw.rotation), self._opened.mirrored)
        return Decoded(raw, number, pts, end, damaged)
