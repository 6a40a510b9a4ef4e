"""A file under way: pictures and sound are encoded side by side, in the order in which they are played."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.audio
import av.container
import av.video

from preprocess.cutting import h264
from preprocess.cutting.format import CutFormat
from preprocess.cutting.picture import Pictures
from preprocess.cutting.result import CutFile
from preprocess.cutting.sound import Sound
from preprocess.decode import Frame
from preprocess.pulse import PULSE

KEY_SECONDS = 2
"""From one key frame to the next, at most: trainers read from the middle of files, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quality:
    """How an encoder of FFmpeg's is asked for a quality at which a difference is hard to see."""

    crf: int | None
    options: Mapping[str, str] = field(default_factory=dict)
    fields: bool = False
    """Whether it is told that frames are interlaced: it codes their fields apart, and players are told."""
    tag: str | None = None
    """What MP4 calls it, where players want another word than FFmpeg's first one."""


# One thread: a worker runs on each core already. No B frames: files begin at 0 and end where they say in every reader,
# also in those that pass over edit lists, and whatever the times between frames.
_QUALITIES = {
    "libx264": _Quality(fields=True, crf=18, options={"preset": "medium", "bf": "0"}),
    "libx265": _Quality(
        crf=20,
        options={"preset": "medium", "bf": "0", "x265-params": "log-level=error:pools=none:frame-threads=1"},
        tag="hvc1",
    ),
    "libsvtav1": _Quality(crf=24, options={"preset": "8", "svtav1-params": "lp=1"}),
    "libvpx-vp9": _Quality(crf=24, options={"b": "0", "cpu-used": "4", "deadline": "good"}),
    "ffv1": _Quality(crf=None, options={"level": "3", "slicecrc": "1"}),
}

_KEPT = _Quality(fields=True, crf=h264.CRF, options={"preset": h264.PRESET, "bf": "0", "x264-params": h264.PARAMS})
"""Of clips that stay as they are and cannot be copied, as of the heads of those that can."""


class Writer:
    """Writes one file. It is complete once `finish` and `close` have returned."""

    def __init__(
        self,
        path: Path,
        form: CutFormat,
        pictures: Pictures,
        sound: Sound | None,
        *,
        time_base: Fraction,
        fps: Fraction,
    ) -> None:
        """`time_base` is that of the times of `write`, in seconds."""
        os.environ.setdefault("SVT_LOG", "1")  # errors only: the encoder of AV1 prints to standard error by itself
        self._path, self._fps = path, fps
        self._pictures, self._sound, self._time_base = pictures, sound, time_base
        self._durations: dict[int, int] = {}
        self._end = 0
        mp4 = form.suffix == ".mp4"
        # bitexact: without it a Matroska file has an id that is drawn by chance
        self._container = av.open(
            os.fspath(path),
            "w",
            format="mp4" if mp4 else "matroska",
            options={"fflags": "+bitexact"} | ({"movflags": "+faststart"} if mp4 else {}),
        )
        self._video = self._video_stream(form, fps)
        self._audio = None if sound is None else sound.stream_in(self._container, "aac" if mp4 else "flac")

    def result(self, num_frames: int) -> CutFile:
        """What has been written, once the file is closed."""
        return CutFile(
            name=self._path.name,
            method="encode",
            width=self._pictures.size.width,
            height=self._pictures.size.height,
            fps=float(self._fps),
            num_frames=num_frames,
            duration_seconds=float(self._end * self._time_base),
            has_audio=self._sound is not None,
            size_bytes=self._path.stat().st_size,
        )

    def write(self, frame: Frame, pts: int, duration: int) -> None:
        """Encode one more frame, after the sound before it."""
        PULSE.beats += 1
        self._write_sound(pts * self._time_base)
        self._durations[pts] = duration
        self._end = pts + duration
        self._mux(self._video.encode(self._pictures.of(frame, pts, self._time_base)))

    def finish(self) -> None:
        """Let go of what the encoders still have."""
        self._mux(self._video.encode())
        self._write_sound(self._end * self._time_base)
        if self._audio is not None:
            self._container.mux(self._audio.encode())

    def close(self) -> None:
        """Close the file, whole or not, and the source of its sound."""
        if self._sound is not None:
            self._sound.close()
        self._container.close()

    def _video_stream(self, form: CutFormat, fps: Fraction) -> av.video.VideoStream:
        pictures, quality = self._pictures, _KEPT if form.as_they_are else _QUALITIES[self._pictures.encoder]
        crf = quality.crf if form.crf is None else form.crf
        options = dict(quality.options) | ({} if quality.crf is None else {"crf": str(crf)})
        if pictures.interlaced and quality.fields:
            options["flags"] = "+ildct+ilme"
        stream = self._container.add_stream(pictures.encoder, rate=fps, options=options)
        assert isinstance(stream, av.video.VideoStream)
        context, tags = stream.codec_context, pictures.tags
        stream.width, stream.height, stream.pix_fmt = pictures.size.width, pictures.size.height, pictures.pixel_format
        context.time_base = self._time_base
        context.thread_count = 1
        context.gop_size = max(1, round(KEY_SECONDS * fps))
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.color_trc, context.color_primaries = tags.transfer, tags.primaries
        if quality.tag is not None:
            context.codec_tag = quality.tag
        return stream

    def _write_sound(self, until: Fraction) -> None:
        frame = None if self._sound is None else self._sound.until(until)
        if frame is not None and self._audio is not None:
            self._container.mux(self._audio.encode(frame))

    def _mux(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts)
            self._container.mux(packet)
