"""Writes synthetic frames into video files, with the oddities that real files have: turned, uneven, late."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from examples.demo_films.landscapes import Image

FAST_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"preset": "superfast", "crf": "22"},
    "libx265": {"preset": "ultrafast", "crf": "24", "x265-params": "log-level=error"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "2M"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "0"},
    "mpeg4": {"b": "4M"},
}
"""What `write_video` tells an encoder where its caller gives no options: speed first, the picture still clean."""


def write_video(
    path: Path,
    frames: Iterable[Image],
    *,
    fps: Fraction,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    seconds: Iterable[Fraction] | None = None,
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    tone_hertz: float | None = None,
) -> None:
    """Encode uint8 BGR (H, W, 3) frames into the container that the path's suffix names.

    The file appears whole or not at all: it is written beside its place and renamed. `seconds` gives each frame's
    presentation time, where it is not frame number / fps; `rotation` is the clockwise turn that displays an MP4
    upright; `pixel_aspect` is the width of a pixel over its height; `tone_hertz` adds a mono AAC track of that pitch.
    """
    temporary = path.with_name(f".part-{path.name}")
    time_base = 1 / fps if seconds is None else Fraction(1, 90_000)
    times = (index / fps for index in count()) if seconds is None else seconds
    with av.open(str(temporary), "w") as container:
        settings = FAST_OPTIONS.get(codec, {}) if options is None else options
        stream = container.add_stream(codec, rate=fps, options=dict(settings))
        assert isinstance(stream, VideoStream)
        audio = None if tone_hertz is None else container.add_stream("aac", rate=_TONE_RATE, layout="mono")
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = time_base
        stream.pix_fmt = pixel_format
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        until = Fraction(0)
        for pixels, until in zip(frames, times, strict=False):
            if not stream.codec_context.is_open:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
            frame.time_base, frame.pts = time_base, round(until / time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None and tone_hertz is not None:
            for sound in _tone(tone_hertz, float(until + 1 / fps)):
                container.mux(audio.encode(sound))
            container.mux(audio.encode())
    if rotation:
        temporary.write_bytes(with_rotation(temporary.read_bytes(), rotation))
    temporary.replace(path)


_TONE_RATE = 44_100


def _tone(hertz: float, seconds: float) -> Iterator[av.AudioFrame]:
    """A quiet sine of about `seconds`, in the frames of 1024 samples that AAC takes."""
    for start in range(0, int(seconds * _TONE_RATE), 1024):
        wave = 0.1 * np.sin(2 * np.pi * hertz * (start + np.arange(1024)) / _TONE_RATE)
        sound = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = _TONE_RATE, start, Fraction(1, _TONE_RATE)
        yield sound


def with_rotation(mp4: bytes, degrees: int) -> bytes:
    """The same MP4 file, to be displayed turned clockwise by `degrees` (0, 90, 180 or 270), as phones write it.

    Sets the matrix in the first track's header (`tkhd`, version 0), ISO/IEC 14496-12 section 8.3.2.
    """
    turns = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
    if degrees not in turns:
        raise ValueError(f"rotation {degrees}, allowed are {sorted(turns)}")
    at = mp4.find(b"tkhd")
    if at < 0:
        raise ValueError("no tkhd box: not an MP4 file with a track")
    a, b, c, d = (value << 16 for value in turns[degrees])
    matrix = b"".join(value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d, 0, 0, 0, 1 << 30))
    start = at + 44  # The box's name, then version to volume: 40 bytes in version 0.
    return mp4[:start] + matrix + mp4[start + 36 :]
