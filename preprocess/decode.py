"""Decode a span of one video once, in order, on a clock that every reader finds again, within the bounds of a file."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
import av.video

from preprocess.clip import Source, VideoInfo
from preprocess.clocks import COUNTED, FILE
from preprocess.damage import Damage
from preprocess.errors import MediaError
from preprocess.file_bounds import ORDINARY, FileBounds, WorkClock
from preprocess.frames import MAX_FRAME_SECONDS
from preprocess.opened import Opened
from preprocess.probe import displayed_size, has_sound_at, quarter_turns, video_info
from preprocess.reading import Decoded, Progress
from preprocess.seeking import Seeker
from preprocess.shrink import Shrunk
from preprocess.sound.heard import ClipSound

logging.getLogger("libav").setLevel(logging.CRITICAL)  # damage is counted and reported by us, not printed by ffmpeg

_Look = tuple[int, int, int, Fraction | None]
"""Of a frame: coded width and height, rotation in degrees, and the decoder's pixel aspect."""


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
        self.num_frames = 0
        """Frames given out so far."""
        self.num_gaps = 0
        """How many frames were shown for longer than `MAX_FRAME_SECONDS` before another one came."""
        self._listens = listens
        self._progress = Progress(WorkClock(bounds))
        self._first_pts = 0
        self._shown_before = 0
        self._opened = Opened(source, source_id=source_id, bounds=bounds, listens=listens)
        try:
            self._seeker = Seeker(self._opened, self._progress, is_counted=clock == COUNTED)
            self._first_aspect = self._seeker.reading.aspects[0][1]
            opened, first = self._opened, self._seeker.first
            self.info: VideoInfo = video_info(opened.container, opened.stream, opened.source_id, first.raw)
            self._seeker.set_step(max(1, round(1 / self.info.fps / self.info.time_base)))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the container and its file; leaked ones pin memory in long-running workers."""
        self._opened.close()

    @property
    def damage(self) -> Damage:
        """What went wrong so far; of another reading, which led nowhere, nothing is left."""
        return self._seeker.reading.damage

    @property
    def stopped(self) -> MediaError | None:
        """Why frames end before the file does: it is over its bounds."""
        return self._seeker.stopped

    def has_sound_at(self, seconds: float) -> bool:
        """Whether sound goes on at that time of the file's clock; to be asked when no more frames are wanted."""
        return has_sound_at(self._opened.container, seconds)

    def sound(self, start_pts: int, end_pts: int) -> ClipSound | None:
        """What is to be heard between two times, while frames around them are being given out; None where `listens`
        was not said."""
        if not self._listens:
            return None
        start, end = start_pts * self.info.time_base, end_pts * self.info.time_base
        return ClipSound(
            has_track=self._opened.beside.has_track,
            offset_seconds=self._opened.beside.offset_seconds,
            # times that were counted are not those of the sound
            listen=lambda: None if self.clock == COUNTED else self._opened.beside.heard(start, end),
        )

    def forget_sound(self, seconds: float) -> None:
        """No clip that begins before this time will be asked for any more."""
        self._opened.beside.forget(seconds)

    @property
    def first_seconds(self) -> Fraction:
        """When, on the file's clock, the first frame given out begins to be shown."""
        return self._first_pts * self.info.time_base

    @property
    def last_end_seconds(self) -> Fraction:
        """When, on the file's clock, the last frame given out stops being shown."""
        return self._progress.end_pts * self.info.time_base

    @property
    def shown_seconds(self) -> float:
        """How much there was to see in the frames given out: none of them counts for more than `MAX_FRAME_SECONDS`."""
        return float((self._progress.shown_ticks - self._shown_before) * self.info.time_base)

    def frames(self, start_seconds: float | None = None) -> Iterator[Frame]:
        """Every frame from `start_seconds` (the file's clock; None is the first frame) to the end, in display order.

        Each frame's pixels are valid only until the next one is asked for. Where the file is over its bounds frames end
        early, and `stopped` says why.
        """
        longest = int(Fraction(MAX_FRAME_SECONDS) / self.info.time_base)
        start_pts = None if start_seconds is None else math.ceil(Fraction(start_seconds) / self.info.time_base)
        last: int | None = None
        look, info = self._look(self._seeker.first), self.info
        for each in self._seeker.after(start_seconds):
            pts, end_pts = each.pts, each.end_pts
            if pts is None or (last is not None and pts <= last):
                continue  # without a place in time: no reader would find it again
            given = start_pts is None or pts >= start_pts  # integers: fractions would cost 0.05 ms a frame
            if given and self.num_frames == 0:
                self._first_pts, self._shown_before = pts, self._progress.shown_ticks
            self._progress.shown_ticks += min(longest, end_pts - pts if last is None else pts - last)
            self.num_gaps += last is not None and pts - last > longest
            last = pts
            if (now := self._look(each)) != look:
                look, info = now, self._info_of(now)
            if given:
                self.num_frames += 1
                self._progress.end_pts = end_pts
                yield Frame(raw=each.raw, pts=pts, end_pts=end_pts, info=info, is_damaged=each.is_damaged)

    @property
    def clock(self) -> str:
        """What the times of frames are, as far as was read: one of `preprocess.clocks`."""
        return self._seeker.clock

    def _look(self, each: Decoded) -> _Look:
        """What decides how a frame is displayed; it may change in mid-stream, which the decoder says frames ahead."""
        raw, aspect = each.raw, self._seeker.reading.aspects[0][1]
        for number, changed in self._seeker.reading.aspects[1:]:
            aspect = changed if number <= each.number else aspect
        return raw.width, raw.height, raw.rotation, aspect

    def _info_of(self, look: _Look) -> VideoInfo:
        width, height, rotation, aspect = look
        # the container's word counts for as long as the decoder says what it said at the first frame
        aspect = self._opened.stream.sample_aspect_ratio if aspect == self._first_aspect else aspect
        turn = quarter_turns(rotation)
        displayed = displayed_size(width, height, aspect, turn)
        return replace(
            self.info, coded_width=width, coded_height=height, rotation=turn, width=displayed[0], height=displayed[1]
        )


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
