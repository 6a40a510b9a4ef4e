"""Clips of small films, and files made of them: `from tests.preprocess.cutting.cuts import ...`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.video
import numpy as np

from preprocess.clip import Clip, Source
from preprocess.cutting.encode import encode_clip
from preprocess.cutting.format import CutFormat
from preprocess.cutting.picture import Box
from preprocess.cutting.result import CutFile
from preprocess.decode import Frame, Video
from tests.videos import read_counter


def clip_of(path: Path, start: int = 0, end: int | None = None) -> Clip:
    """Frames [start, end) of a film."""
    source = Source(uri=os.fspath(path), size_bytes=0, modified_ns=0)
    with Video(source) as video:
        times = [(frame.pts, frame.end_pts) for frame in video.frames()]
        info, end = video.info, len(times) if end is None else end
        return Clip(
            source_id=info.source_id,
            source_uri=source.uri,
            start_pts=times[start][0],
            end_pts=times[end][0] if end < len(times) else times[-1][1],
            time_base=info.time_base,
            num_frames=end - start,
            fps=info.fps,
            width=info.width,
            height=info.height,
            clock=video.clock,
        )


def cut(
    clip: Clip, form: CutFormat, folder: Path, *, box: Box | None = None, woven: bool = False
) -> tuple[CutFile, Path]:
    """The clip's file."""
    path = folder / f"cut{form.suffix}"
    with Video(clip.source, source_id=clip.source_id, clock=clip.clock) as video:
        return encode_clip(clip, frames_of(video, clip), form, path, sound_of=clip.source, box=box, woven=woven), path


def frames_of(video: Video, clip: Clip) -> Iterator[Frame]:
    """Those of a clip."""
    for frame in video.frames(float((clip.start_pts - Fraction(1, 2)) * clip.time_base)):
        if frame.pts >= clip.end_pts:
            return
        yield frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a plain reader finds in a file."""

    numbers: list[int]
    """Of its counter frames."""
    seconds: list[Fraction]
    size: tuple[int, int]
    pixel_format: str
    tags: tuple[int, int, int, int]
    """Matrix, range, transfer, primaries."""
    last: av.VideoFrame


def played(path: Path) -> Played:
    """Read by PyAV alone."""
    with av.open(os.fspath(path)) as container:
        context = container.streams.video[0].codec_context
        frames = [(read_counter(each.to_ndarray(format="gray")), each) for each in container.decode(video=0)]
        last = frames[-1][1]
        assert not last.rotation
        assert context.sample_aspect_ratio in (None, 0, 1)
        return Played(
            numbers=[number for number, _ in frames],
            seconds=[frame.pts * frame.time_base for _, frame in frames if frame.pts is not None and frame.time_base],
            size=(last.width, last.height),
            pixel_format=last.format.name,
            tags=(context.colorspace, context.color_range, context.color_trc, context.color_primaries),
            last=last,
        )


def heard(path: Path) -> tuple[np.ndarray, int]:
    """Samples of the first channel from the time 0 on, and how many there are a second."""
    with av.open(os.fspath(path)) as container:
        blocks = [(each.pts, each.to_ndarray()[0], each.sample_rate) for each in container.decode(audio=0)]
        time_base = container.streams.audio[0].time_base
    assert time_base is not None
    rate = blocks[0][2]
    sound = np.zeros(max(round(pts * time_base * rate) + len(samples) for pts, samples, _ in blocks), np.float32)
    for pts, samples, _ in blocks:
        at = round(pts * time_base * rate)
        sound[at : at + len(samples)] = samples / (1 if samples.dtype == np.float32 else 32768)
    return sound, rate
