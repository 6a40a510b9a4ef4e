"""Decode a span of one video once, in order, on a clock that every reader finds again, within the bounds of a file."""

from __future__ import annotations

import itertools
import logging
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
import av.container
import av.video

from preprocess.clip import Source, VideoInfo
from preprocess.clocks import (
    COUNTED,
    DECODING,
    FILE,
    MAX_PTS,
    PacketClock,
    clock_of_packets,
    holds_picture,
    kind_of_clock,
)
from preprocess.damage import Damage, GopDamage
from preprocess.errors import MediaError
from preprocess.file_bounds import ORDINARY, FileBounds, WorkClock
from preprocess.frames import MAX_FRAME_SECONDS
from preprocess.kinds import PICTURE_SUFFIXES, suffix_of
from preprocess.probe import (
    container_name,
    content_id,
    decoder_options,
    displayed_size,
    has_sound_at,
    is_picture,
    open_container,
    open_source,
    quarter_turns,
    video_info,
    video_stream,
)
from preprocess.pulse import BEYOND_SECONDS, PULSE
from preprocess.shrink import Shrunk
from preprocess.sound.beside import Beside
from preprocess.sound.heard import ClipSound
from preprocess.stills import as_shown, mirrored

logging.getLogger("libav").setLevel(logging.CRITICAL)  # damage is counted and reported by us, not printed by ffmpeg

_CHECK_PACKETS = 16
"""Packets between two looks at the clock, which cost a microsecond each."""
_Look = tuple[int, int, int, Fraction | None]
"""Of a frame: coded width and height, rotation in degrees, and the decoder's pixel aspect."""


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A frame as it comes, with what its packet tells of it."""

    raw: av.VideoFrame
    number: int
    pts: int | None
    end_pts: int
    is_damaged: bool


class Video:
    """One opened source. Use it as a context manager, and iterate `frames` once.

    Raises:
        MediaError: at opening, where the source is no video that can be decoded.
    """

    def __init__(
        self,
        source: Source,
        *,
        source_id: str | None = None,
        clock: str = FILE,
        bounds: FileBounds = ORDINARY,
        listens: bool = False,
    ) -> None:
        """`source_id`: the file's content id where it is known; finding it out reads up to 32 MiB. `clock`: as the
        clips that are looked for have it; only a reading from the begin finds out that a clock starts again.
        `listens`: somebody will ask for the `sound` of clips."""
        self.source = source
        self.damage = Damage()
        self.stopped: MediaError | None = None
        """Why frames end before the file does: it is over its bounds."""
        self.num_frames = 0
        """Frames given out so far."""
        self.num_gaps = 0
        """How many frames were shown for longer than `MAX_FRAME_SECONDS` before another one came."""
        self._bounds = bounds
        self._listens = listens
        self._work = WorkClock(bounds)
        self._counted = clock == COUNTED
        self._begin_dts: int | None = None
        self._step = 1
        self._broken_off = False
        self._first_pts = 0
        self._end_pts = 0
        self._shown_ticks = 0
        self._shown_before = 0
        self._file = open_source(source)
        try:
            source_id = source_id or content_id(self._file)
            self._mirrored = mirrored(self._file) if suffix_of(source.uri) in PICTURE_SUFFIXES else None
            self._container = open_container(self._file, bounds.max_pixels, uri=source.uri)
        except BaseException:
            self._file.close()
            raise
        try:
            self._open_stream()
            self._kind = kind_of_clock(self._container, self._stream)
            self._first, self._decoded = self._first_frame()
            self._first_aspect = self._aspects[0][1]
            self.info: VideoInfo = video_info(self._container, self._stream, source_id, self._first.raw)
            self._step = max(1, round(1 / self.info.fps / self.info.time_base))
            self._times.step = self._step
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the container and its file; leaked ones pin memory in long-running workers."""
        self._container.close()
        self._file.close()

    def has_sound_at(self, seconds: float) -> bool:
        """Whether sound goes on at that time of the file's clock; to be asked when no more frames are wanted."""
        return has_sound_at(self._container, seconds)

    def sound(self, start_pts: int, end_pts: int) -> ClipSound | None:
        """What is to be heard between two times, while frames around them are being given out; None where `listens`
        was not said."""
        if not self._listens:
            return None
        start, end = start_pts * self.info.time_base, end_pts * self.info.time_base
        return ClipSound(
            has_track=self._beside.has_track,
            offset_seconds=self._beside.offset_seconds,
            # times that were counted are not those of the sound
            listen=lambda: None if self.clock == COUNTED else self._beside.heard(start, end),
        )

    def forget_sound(self, seconds: float) -> None:
        """No clip that begins before this time will be asked for any more."""
        self._beside.forget(seconds)

    @property
    def first_seconds(self) -> Fraction:
        """When, on the file's clock, the first frame given out begins to be shown."""
        return self._first_pts * self.info.time_base

    @property
    def last_end_seconds(self) -> Fraction:
        """When, on the file's clock, the last frame given out stops being shown."""
        return self._end_pts * self.info.time_base

    @property
    def shown_seconds(self) -> float:
        """How much there was to see in the frames given out: none of them counts for more than `MAX_FRAME_SECONDS`."""
        return float((self._shown_ticks - self._shown_before) * self.info.time_base)

    def frames(self, start_seconds: float | None = None) -> Iterator[Frame]:
        """Every frame from `start_seconds` (the file's clock; None is the first frame) to the end, in display order.

        Each frame's pixels are valid only until the next one is asked for. Where the file is over its bounds frames end
        early, and `stopped` says why.
        """
        longest = int(Fraction(MAX_FRAME_SECONDS) / self.info.time_base)
        start_pts = None if start_seconds is None else math.ceil(Fraction(start_seconds) / self.info.time_base)
        last: int | None = None
        look, info = self._look(self._first), self.info
        for each in self._from(start_seconds):
            pts, end_pts = each.pts, each.end_pts
            if pts is None or (last is not None and pts <= last):
                continue  # without a place in time: no reader would find it again
            given = start_pts is None or pts >= start_pts  # integers: fractions would cost 0.05 ms a frame
            if given and self.num_frames == 0:
                self._first_pts, self._shown_before = pts, self._shown_ticks
            self._shown_ticks += min(longest, end_pts - pts if last is None else pts - last)
            self.num_gaps += last is not None and pts - last > longest
            last = pts
            if (now := self._look(each)) != look:
                look, info = now, self._info_of(now)
            if given:
                self.num_frames += 1
                self._end_pts = end_pts
                yield Frame(raw=each.raw, pts=pts, end_pts=end_pts, info=info, is_damaged=each.is_damaged)

    @property
    def clock(self) -> str:
        """What the times of frames are, as far as was read: one of `preprocess.clocks`."""
        return COUNTED if self._counted or self._times.restarts else self._kind

    def _look(self, each: _Decoded) -> _Look:
        """What decides how a frame is displayed; it may change in mid-stream, which the decoder says frames ahead."""
        raw, aspect = each.raw, self._aspects[0][1]
        for number, changed in self._aspects[1:]:
            aspect = changed if number <= each.number else aspect
        return raw.width, raw.height, raw.rotation, aspect

    def _info_of(self, look: _Look) -> VideoInfo:
        width, height, rotation, aspect = look
        # the container's word counts for as long as the decoder says what it said at the first frame
        aspect = self._stream.sample_aspect_ratio if aspect == self._first_aspect else aspect
        turn = quarter_turns(rotation)
        displayed = displayed_size(width, height, aspect, turn)
        return replace(
            self.info, coded_width=width, coded_height=height, rotation=turn, width=displayed[0], height=displayed[1]
        )

    def _first_frame(self) -> tuple[_Decoded, Iterator[_Decoded]]:
        """The first frame that has a time, and those behind it."""
        decoded = self._decode()
        first = next(decoded, None)
        if first is not None and self._kind == FILE and (first.pts is None or self._times.is_doubtful):
            self._reopen()
            self._kind = clock_of_packets(self._container.demux(self._stream), in_order=first.pts is not None)
            self._reopen()
            decoded = self._decode()
            first = next(decoded, None)
        timed = (each for each in itertools.chain(() if first is None else (first,), decoded) if each.pts is not None)
        first = next(timed, None)
        if first is None:
            animated = ", as those of an animated WebP" if self._stream.codec_context.name == "webp" else ""
            detail = f"{self.damage.decode_errors} packets could not be decoded{animated}"
            raise self.stopped or MediaError("no_frames", detail)
        self._begin_dts = self._times.begin_dts
        return first, timed

    def _from(self, start_seconds: float | None) -> Iterator[_Decoded]:
        begin = self._first.pts or 0  # below zero where a broadcast's clock went round
        if start_seconds is None or start_seconds <= begin * self.info.time_base or self._kind == COUNTED:
            yield self._first
            yield from self._decoded
            return
        target = min(int(Fraction(start_seconds) / self.info.time_base), MAX_PTS)
        if self._counted or self.info.container == "asf":  # where FFmpeg makes other decoding times after a seek
            yield from self._decoded_from(0 if self._kind == DECODING else self._key_before(target))
            return
        for back_seconds in (0, 10):  # some indices point past the key frame that is needed
            if not self._seek(max(min(0, begin), target - int(back_seconds / self.info.time_base))):
                break
            decoded = self._decode(sought=True)
            landed = next((each for each in decoded if each.pts is not None and not each.is_damaged), None)
            if landed is not None and landed.pts is not None and landed.pts <= target:
                yield landed
                yield from decoded
                return
        self._reopen()
        yield from self._decode()

    def _key_before(self, target: int) -> int:
        """Number of the packet from which on to decode, to have all frames from a time on; nothing is decoded here."""
        self._reopen()
        times = self._packet_clock(sought=False)
        keys = deque([0, 0], maxlen=2)  # of two key frames, the later may be displayed behind what follows it
        for packet in self._packets():
            stamp = times.take(packet)
            if stamp.dts is not None and stamp.dts > target:
                break
            if stamp.is_key:
                keys.append(times.next_number - 1)
        return keys[0]

    def _decoded_from(self, number: int) -> Iterator[_Decoded]:
        self._reopen()
        return self._decode(first_number=number)

    def _seek(self, pts: int) -> bool:
        """Whether the next packets are those from `pts` on, or a little before."""
        try:
            self._container.seek(pts, stream=self._stream)
            if self._kind == DECODING:  # a key frame earlier still: times are known from the second one on
                landed = next((packet.dts for packet in self._container.demux(self._stream)), None)
                self._container.seek(pts if landed is None else landed - 1, stream=self._stream)
        except av.error.FFmpegError:  # "operation not permitted": there is no index, or it is broken
            return False
        return True

    def _reopen(self) -> None:
        self._container.close()
        self._file.seek(0)
        self._container = open_container(self._file, self._bounds.max_pixels, uri=self.source.uri)
        self._open_stream()

    def _open_stream(self) -> None:
        self._stream = video_stream(self._container)
        self._beside = Beside(self._container, self._stream, listens=self._listens)
        context = self._stream.codec_context
        self._see_pixels()
        self._is_picture = is_picture(self._container)
        if self._is_picture and len(self._container.streams.video) > 2:  # an AVIF's second one is its transparency
            raise MediaError("not_a_video", "a picture in tiles")
        # half a JPEG is made a whole picture by a decoder that is not told to stop; that of TIFF would stop at odd tags
        strict = {"err_detect": "crccheck+explode"} if context.name in ("mjpeg", "png") and self._is_picture else {}
        context.options = decoder_options(self._bounds.max_pixels) | strict
        # One worker process runs on each core already; decoder threads would only fight over them.
        context.thread_count = 1

    def _decode(self, *, sought: bool = False, first_number: int = 0) -> Iterator[_Decoded]:
        """Frames of the stream from where the container is, as far as the bounds allow; what cannot be decoded is
        counted and skipped. `sought`: that is not the file's begin. Packets before `first_number` are passed over.

        Whatever FFmpeg raises is about the file, "cannot allocate memory" (a length field of 4 GB) and "operation not
        permitted" (an odd header) included: the storage's own errors come through as what the reader raised.
        """
        try:
            yield from self._decode_packets(sought, first_number)
        except MediaError as over:
            self.stopped = over

    def _decode_packets(self, sought: bool, first_number: int) -> Iterator[_Decoded]:
        self.damage = Damage()  # of another reading, which led nowhere, nothing is left
        self._times = times = self._packet_clock(sought=sought)
        self._gop = GopDamage(self.damage, self._stream.codec_context.name)
        self._aspects = [(0, self._stream.codec_context.sample_aspect_ratio)]
        gop = self._gop
        for packet in self._packets():
            number = times.next_number
            if packet.size and holds_picture(packet, self._stream):
                stamp = times.take(packet)
                if sought and times.restarts:
                    raise MediaError("clock_restarts", f"behind {float(self._end_pts * self.info.time_base):.1f} s")
                if number < first_number:
                    continue
                gop.packet(packet, number, stamp, begins=number == first_number)
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
            self._see_pixels()
            for raw in frames:
                yield self._of(raw)
        gop.end(times.next_number if self._broken_off else None)

    def _of(self, raw: av.VideoFrame) -> _Decoded:
        number = self._times.next_number - 1 if raw.pts is None else raw.pts
        pts = self._times.pts_of(raw)
        aspect = self._stream.codec_context.sample_aspect_ratio
        if aspect != self._aspects[-1][1]:
            self._aspects.append((self._times.next_number - 1, aspect))
        length = raw.duration if self._kind == FILE and raw.duration and raw.duration > 0 else self._times.step
        start, end = (0, 0) if pts is None else (pts, pts + length)
        damaged = self._gop.shown(raw, number, start, end)
        if self._is_picture:
            raw = as_shown(raw, quarter_turns(raw.rotation), self._mirrored)
        return _Decoded(raw, number, pts, end, damaged)

    def _packet_clock(self, *, sought: bool) -> PacketClock:
        assert self._stream.time_base
        begin = self._begin_dts if sought else None
        times = PacketClock(
            self._kind, container=container_name(self._container), time_base=self._stream.time_base, begin_dts=begin
        )
        times.step = self._step
        return times

    def _packets(self) -> Iterator[av.Packet[av.video.VideoStream]]:
        """Packets of the stream, within the bounds."""
        self._beside.begin()
        number = 0
        while True:
            if number % _CHECK_PACKETS == 0:  # of packets, not frames: those that lead up to an edit give none
                self._work.check(float(self._shown_ticks * (self._stream.time_base or 0)))
                PULSE.seconds = float(self._end_pts * (self._stream.time_base or 0)) - BEYOND_SECONDS
            number += 1
            PULSE.beats += 1
            try:
                yield self._beside.next_picture()
            except StopIteration:
                return
            except IndexError:
                return  # PyAV's, at the end of a file whose sound began after it was opened; ours is flushed by then
            except av.error.FFmpegError:
                self._broken_off = True  # the file ends in the middle of something
                return

    def _see_pixels(self) -> None:
        """See that the pictures that the decoder was last told of, whether or not it made any, are not too large.

        Raises:
            MediaError: `too_large`.
        """
        context = self._stream.codec_context
        PULSE.pixels = context.width * context.height
        if context.width * context.height > self._bounds.max_pixels:
            raise MediaError("too_large", f"{context.width}x{context.height} pixels a frame")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One decoded frame and the sizes it can be had in."""

    raw: av.VideoFrame
    pts: int
    end_pts: int
    info: VideoInfo
    is_damaged: bool
    """It was decoded with an error, or from frames that were, or from what is not in the file."""

    def shrink(self) -> Shrunk:
        """Read the full planes once and keep what the pass needs."""
        return Shrunk(self.raw, self.info)
