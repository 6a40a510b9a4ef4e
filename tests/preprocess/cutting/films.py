"""Films for cutting: each frame shows its number above a moving texture, key frames stand where they are said to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image, fractal_noise
from tests.videos import SIZE, counter_frame, read_counter

FPS = Fraction(25)
NUM_FRAMES = 60
KEY_STEP = 20
"""Frames 0, 20 and 40 are key frames."""
TEXTURE_ROWS = 54
WIDTH, HEIGHT = SIZE[0], SIZE[1] + TEXTURE_ROWS

_X264 = {"preset": "fast", "g": "20", "keyint_min": "20", "bf": "3", "crf": "28"}
_X265 = "log-level=none:keyint=20:min-keyint=20:scenecut=0:bframes=4:b-adapt=0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a film is encoded."""

    suffix: str
    codec: str
    options: Mapping[str, str]
    pixel_format: str = "yuv420p"
    reordered: int = 0
    """Frames before a cut that may have to be encoded, since others are decoded before them."""


def _x264(suffix: str = "mp4", **params: object) -> Kind:
    given = ":".join(
        f"{name.replace('_', '-')}={value}" for name, value in {"scenecut": 0, "b-adapt": 0, **params}.items()
    )
    return Kind(suffix=suffix, codec="libx264", options={**_X264, "x264-params": given}, reordered=4)


def _x265(suffix: str, *, open_gop: int) -> Kind:
    options = {"preset": "ultrafast", "x265-params": f"{_X265}:open-gop={open_gop}"}
    return Kind(suffix=suffix, codec="libx265", options=options, reordered=8)


KINDS: Mapping[str, Kind] = {
    "h264": _x264(),
    "h264_open": _x264(open_gop=1),
    "h264_open_cavlc": _x264(open_gop=1, cabac=0, slices=3),
    "h264_open_pyramids": replace(_x264(open_gop=1, bframes=8, b_pyramid="normal", ref=6), reordered=9),
    "h264_ts": _x264("ts"),
    "h264_open_ts": _x264("ts", open_gop=1),
    "h264_baseline": Kind(suffix="mp4", codec="libx264", options={**_X264, "bf": "0", "profile": "baseline"}),
    "h265_open": _x265("mp4", open_gop=1),
    "h265_mkv": _x265("mkv", open_gop=0),
    "vp9": Kind(
        suffix="webm",
        codec="libvpx-vp9",
        options={"g": "20", "crf": "40", "b": "0", "cpu-used": "5", "lag-in-frames": "12", "auto-alt-ref": "1"},
    ),
    "av1": Kind(suffix="mp4", codec="libsvtav1", options={"g": "20", "preset": "8", "crf": "30"}),
}
TEN_BIT = Kind(
    suffix="mp4", codec="libx264", options=_x264(open_gop=1).options, pixel_format="yuv420p10le", reordered=4
)


def frames(num_frames: int = NUM_FRAMES) -> Iterator[Image]:
    """BGR."""
    noise = fractal_noise(np.random.default_rng(0), (TEXTURE_ROWS, 2 * WIDTH), cell=12, octaves=4, wrap=True)
    texture = (noise * 255).clip(0, 255).astype(np.uint8)
    for number in range(num_frames):
        moved = np.roll(texture, 3 * number, 1)[:, :WIDTH, None].repeat(3, axis=2)
        yield np.vstack((counter_frame(number), moved))


def film(folder: Path, name: str, kind: Kind) -> Path:
    """Write one."""
    os.environ.setdefault("SVT_LOG", "1")
    path = folder / f"{name}.{kind.suffix}"
    write_video(
        path,
        frames(),
        fps=FPS,
        codec=kind.codec,
        pixel_format=kind.pixel_format,
        options=kind.options,
    )
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A decoded frame."""

    seconds: Fraction
    pixels: np.ndarray
    number: int


def shown(path: Path) -> list[Shown]:
    """The frames of a film as PyAV decodes them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            Shown(
                seconds=frame.pts * stream.time_base,
                pixels=frame.to_ndarray(),
                number=read_counter(frame.to_ndarray(format="gray")[: SIZE[1]]),
            )
            for frame in container.decode(stream)
        ]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """In dB; infinite where they are equal."""
    peak = 255 if one.dtype == np.uint8 else 1023
    error = float(((one.astype(np.float64) - other) ** 2).mean())
    return float("inf") if error == 0 else 10 * np.log10(peak**2 / error)
