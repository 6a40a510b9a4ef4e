"""Small films whose sound is known to the sample."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from preprocess.clip import Clip, Source
from preprocess.decode import Video
from preprocess.frames import FrameView
from preprocess.observe import revisit

FPS = 25


def tone(dbfs: float, seconds: float, *, hertz: float = 1000, rate: int = 48_000, channels: int = 2) -> np.ndarray:
    """A sine in all channels, float32 (channels, n); 0 dBFS has its peaks at full scale."""
    times = np.arange(round(seconds * rate)) / rate
    return np.tile((10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * times)).astype(np.float32), (channels, 1))


def film_with(
    path: Path,
    sound: np.ndarray | None,
    *,
    codec: str = "pcm_f32le",
    rate: int = 48_000,
    layout: str = "stereo",
    late: float = 0.0,
    seconds: float = 4,
) -> Path:
    """Pictures that move on by a pixel, and samples (channels, n) that begin `late` seconds after them."""
    with av.open(os.fspath(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": "20"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = None if sound is None else container.add_stream(codec, rate=rate, layout=layout)
        picture = cv2.resize(np.random.default_rng(1).integers(0, 256, (12, 16), np.uint8), (64, 48))
        for index in range(round(FPS * seconds)):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, index, axis=1), format="gray")
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode())
        if audio is not None and sound is not None:
            for part in blocks(sound, rate, layout, late):
                container.mux(audio.encode(part))
            container.mux(audio.encode())
    return path


def blocks(sound: np.ndarray, rate: int, layout: str, late: float = 0.0) -> Iterator[av.AudioFrame]:
    """Samples as frames of 960, the first of them `late`."""
    for start in range(0, sound.shape[1], 960):
        samples = np.ascontiguousarray(sound[:, start : start + 960])
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(late * rate) + start
        yield frame


def views(path: Path, *spans: tuple[int, int], clock: str = "file") -> list[FrameView]:
    """Of clips [start, end) in frames, with their sound decoded; as many as there are frames for."""
    source = Source(uri=os.fspath(path), size_bytes=0, modified_ns=0)
    with Video(source, listens=True, clock=clock) as video:
        info, found = video.info, []
        step = round(1 / (FPS * info.time_base))
        clips = [
            Clip(
                source_id=info.source_id,
                source_uri=source.uri,
                start_pts=info.start_pts + start * step,
                end_pts=info.start_pts + end * step,
                time_base=info.time_base,
                num_frames=end - start,
                fps=info.fps,
                width=info.width,
                height=info.height,
                clock=clock,
            )
            for start, end in spans
        ]
        for observed in revisit(video, clips):
            assert observed.view is not None
            assert observed.view.sound is not None
            assert observed.view.sound.heard is None or observed.view.sound.heard.rate
            found.append(observed.view)
    return found
