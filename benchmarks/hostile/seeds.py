"""Small whole films of many codecs and containers, drawn and encoded here: what hostile files are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image, Size, fractal_noise
from examples.demo_films.scenes import cyclic, window

SHOT_SECONDS = (3.4, 0.9)
"""One shot that is long enough to be kept, and one that is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """How one film is encoded; the suffix of its name is the container."""

    name: str
    codec: str
    pixel_format: str = "yuv420p"
    fps: Fraction = Fraction(12)
    size: Size = (176, 144)
    seconds: tuple[float, ...] = SHOT_SECONDS
    options: tuple[tuple[str, str], ...] = ()
    rotation: int = 0
    sound: bool = False
    pixel_aspect: Fraction | None = None
    uneven: bool = False
    """Frames at irregular times."""


_FAST_264 = (("preset", "ultrafast"), ("g", "12"))
_B_FRAMES = (("preset", "fast"), ("bf", "3"), ("g", "12"), ("x264-params", "b-adapt=0:scenecut=0"))
_X265 = (("preset", "ultrafast"), ("x265-params", "log-level=error"))
_RATE = (("b", "300k"), ("g", "12"))

SEEDS = (
    Seed(name="h264.mp4", codec="libx264", options=_FAST_264, sound=True),
    Seed(name="b_frames.mov", codec="libx264", options=_B_FRAMES, sound=True),
    Seed(name="turned.mp4", codec="libx264", options=_FAST_264, rotation=90),
    Seed(name="uneven.mkv", codec="libx264", options=_FAST_264, uneven=True, pixel_aspect=Fraction(4, 3)),
    Seed(name="phone.3gp", codec="mpeg4", options=_RATE),
    Seed(name="old_phone.3gp", codec="h263", options=_RATE),
    Seed(name="h264.flv", codec="libx264", options=_FAST_264, sound=True),
    Seed(name="sorenson.flv", codec="flv", options=_RATE),
    Seed(name="h264.ts", codec="libx264", options=_B_FRAMES, sound=True),
    Seed(name="h264.mxf", codec="libx264", options=_FAST_264, fps=Fraction(25)),
    Seed(name="raw.h264", codec="libx264", options=_FAST_264),
    Seed(name="hevc.mp4", codec="libx265", options=_X265),
    Seed(name="hevc10.mkv", codec="libx265", pixel_format="yuv420p10le", options=_X265),
    Seed(name="raw.hevc", codec="libx265", options=_X265),
    Seed(name="vp8.webm", codec="libvpx"),
    Seed(name="vp8.ivf", codec="libvpx"),
    Seed(name="vp9.webm", codec="libvpx-vp9"),
    Seed(name="av1.mp4", codec="libsvtav1", options=(("preset", "12"),)),
    Seed(name="av1.ivf", codec="libsvtav1", options=(("preset", "12"),)),
    Seed(name="av1.obu", codec="libsvtav1", options=(("preset", "12"),)),
    Seed(name="mpeg4.avi", codec="mpeg4", options=(("bf", "2"), *_RATE), sound=True),
    Seed(name="apple.m4v", codec="mpeg4", options=_RATE),
    Seed(name="mpeg2.mpg", codec="mpeg2video", options=_RATE, fps=Fraction(25)),
    Seed(name="mpeg2.ts", codec="mpeg2video", options=(("bf", "2"), *_RATE), fps=Fraction(25)),
    Seed(name="mpeg2.mxf", codec="mpeg2video", options=_RATE, fps=Fraction(25)),
    Seed(name="mpeg2.vob", codec="mpeg2video", options=_RATE, fps=Fraction(25)),
    Seed(name="mpeg1.mpg", codec="mpeg1video", options=_RATE, fps=Fraction(25)),
    Seed(name="raw.m2v", codec="mpeg2video", options=_RATE, fps=Fraction(25)),
    Seed(name="wmv2.wmv", codec="wmv2", options=_RATE),
    Seed(name="wmv1.asf", codec="wmv1", options=_RATE),
    Seed(name="msmpeg4.avi", codec="msmpeg4", options=_RATE),
    Seed(name="real.rm", codec="rv10", options=_RATE),
    Seed(name="h261.nut", codec="h261", options=_RATE),
    Seed(name="snow.nut", codec="snow", options=(("strict", "-2"), *_RATE)),
    Seed(name="mjpeg.avi", codec="mjpeg", pixel_format="yuvj420p"),
    Seed(name="mjpeg.mov", codec="mjpeg", pixel_format="yuvj422p", size=(161, 91)),
    Seed(name="flash.swf", codec="flv", options=_RATE),
    Seed(name="screen.flv", codec="flashsv", pixel_format="bgr24", size=(96, 64)),
    Seed(name="vp8.ogg", codec="libvpx"),
    Seed(name="prores.mov", codec="prores_ks", pixel_format="yuv422p10le", size=(96, 64)),
    Seed(name="ffv1.mkv", codec="ffv1", size=(97, 65), pixel_format="yuv444p"),
    Seed(name="grey.mkv", codec="ffv1", size=(96, 64), pixel_format="gray"),
    Seed(name="huffyuv.avi", codec="huffyuv", pixel_format="yuv422p", size=(96, 64)),
    Seed(name="utvideo.avi", codec="utvideo", size=(96, 64)),
    Seed(name="magicyuv.avi", codec="magicyuv", size=(96, 64)),
    Seed(name="cfhd.mov", codec="cfhd", pixel_format="yuv422p10le", size=(96, 64)),
    Seed(name="animation.mov", codec="qtrle", pixel_format="rgb24", size=(96, 64)),
    Seed(name="png.mov", codec="png", pixel_format="rgb24", size=(96, 64)),
    Seed(name="jpeg2000.mkv", codec="jpeg2000", size=(96, 64)),
    Seed(name="svq1.mov", codec="svq1", pixel_format="yuv410p", size=(96, 64)),
    Seed(name="cinema.avi", codec="cinepak", pixel_format="rgb24", size=(48, 32)),
    Seed(name="msvideo1.avi", codec="msvideo1", pixel_format="rgb555le", size=(48, 32)),
    Seed(name="zmbv.avi", codec="zmbv", pixel_format="bgr0", size=(48, 32)),
    Seed(name="plain.gif", codec="gif", pixel_format="rgb8", size=(96, 64)),
    Seed(name="plain.apng", codec="apng", pixel_format="rgb24", size=(96, 64)),
    Seed(name="raw.y4m", codec="wrapped_avframe", size=(64, 48)),
    Seed(name="raw.avi", codec="rawvideo", size=(64, 48)),
    Seed(name="raw.nut", codec="rawvideo", pixel_format="rgb24", size=(48, 32)),
    Seed(name="camera.dv", codec="dvvideo", size=(720, 576), fps=Fraction(25), seconds=(0.4, 0.2)),
)
"""Not every build of FFmpeg encodes all of them; `write_seeds` leaves out those that it cannot."""

NEIGHBOURS = (
    Seed(name="good.mp4", codec="libx264", options=_FAST_264, seconds=(3.2, 3.4), sound=True),
    Seed(name="good.mkv", codec="mpeg4", options=_RATE, seconds=(3.5, 1.0)),
    Seed(name="good.avi", codec="mjpeg", pixel_format="yuvj420p"),
)
"""Good films that stand beside the spoilt ones; any FFmpeg writes them."""


def write_seeds(folder: Path) -> list[Path]:
    """Every film of `SEEDS` that this FFmpeg can write."""
    written = []
    for number, seed in enumerate(SEEDS):
        path = folder / seed.name
        try:
            write_film(path, seed, number)
        except (av.error.FFmpegError, ValueError, OverflowError):
            path.with_name(f".part-{path.name}").unlink(missing_ok=True)
        else:
            written.append(path)
    return written


def write_film(path: Path, seed: Seed, number: int = 0) -> None:
    """One film; another `number` gives other pictures.

    Raises:
        av.error.FFmpegError, ValueError: this FFmpeg cannot write it.
    """
    times = [Fraction(index * index + 40 * index, 1000) for index in range(200)] if seed.uneven else None
    write_video(
        path,
        _frames(seed, number),
        fps=seed.fps,
        codec=seed.codec,
        pixel_format=seed.pixel_format,
        options=dict(seed.options),
        seconds=times,
        rotation=seed.rotation,
        pixel_aspect=seed.pixel_aspect,
        tone_hertz=440.0 if seed.sound else None,
    )


def _frames(seed: Seed, number: int) -> Iterator[Image]:
    """Moving noise, of another colour in each shot."""
    random = np.random.default_rng(number)
    width, height = seed.size
    for length in seed.seconds:
        tint = random.uniform(0.3, 1.0, 3)
        noise = fractal_noise(random, (height, 2 * width), cell=width / 8, octaves=4, wrap=True)
        strip = cyclic((noise[:, :, None] * 255 * tint).clip(0, 255).astype(np.uint8), width)
        for index in range(round(length * seed.fps)):
            yield window(strip, 0.1 * width * float(index / seed.fps), width)
