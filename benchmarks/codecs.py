"""What the CPU pass costs by codec and picture size: the constants of `plan`.

    python -m benchmarks.codecs FILM [--seconds 8]

The first seconds of FILM are encoded anew by each codec in three sizes, with few bits and with many, and each file goes
through the whole pass of the default recipe but OCR, in this process. Its CPU time a frame is taken for so much a frame
whatever the codec, and so much a megapixel and a megabit of it by codec. The last line is JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.curate import cheap, cpu_seconds, stages, whole_unit
from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image
from pipelines.recipe import recipes
from preprocess.sources import list_sources

SIZES = ((640, 360), (1280, 720), (1920, 1080))
_X265 = {"preset": "ultrafast", "x265-params": "log-level=error"}
_VPX = {"deadline": "realtime", "cpu-used": "8"}
ENCODERS: Mapping[str, tuple[str, str, str, tuple[Mapping[str, str], ...]]] = {
    "h264": ("libx264", "mp4", "yuv420p", ({"preset": "fast", "crf": "25"}, {"preset": "fast", "crf": "15"})),
    "hevc": ("libx265", "mp4", "yuv420p", (_X265 | {"crf": "25"}, _X265 | {"crf": "12"})),
    "vp8": ("libvpx", "webm", "yuv420p", (_VPX | {"b": "1M"}, _VPX | {"b": "8M"})),
    "vp9": ("libvpx-vp9", "webm", "yuv420p", (_VPX | {"b": "1M"}, _VPX | {"b": "8M"})),
    "av1": ("libsvtav1", "mp4", "yuv420p", ({"preset": "10", "crf": "35"}, {"preset": "10", "crf": "15"})),
    "mpeg2video": ("mpeg2video", "mpg", "yuv420p", ({"b": "4M"}, {"b": "15M"})),
    "mpeg4": ("mpeg4", "avi", "yuv420p", ({"b": "2M"}, {"b": "12M"})),
    "mjpeg": ("mjpeg", "avi", "yuvj420p", ({"b": "10M"}, {"b": "60M"})),
    "prores": ("prores_ks", "mov", "yuv422p10le", ({"profile": "1"}, {"profile": "3"})),
    "ffv1": ("ffv1", "mkv", "yuv420p", ({},)),
}
"""Encoder, container, pixels and options of few bits and of many, by the name of the decoder."""


def main(film: str, seconds: float) -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    frames, fps = _first_frames(film, seconds)
    chain = stages(cheap(recipes.default()))
    points: list[tuple[str, float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        for codec, (encoder, suffix, pixels, qualities) in ENCODERS.items():
            for options, (width, height) in itertools.product(qualities, SIZES):
                file = path.with_suffix(f".{suffix}")
                smaller = (cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames)
                write_video(file, smaller, fps=fps, codec=encoder, pixel_format=pixels, options=options)
                unit = whole_unit(list_sources(str(file)).sources[0])
                taken = min(cpu_seconds(partial(chain.process, [unit])) for _ in range(2)) / len(frames)
                megabits = file.stat().st_size * 8e-6 / len(frames)
                points.append((codec, width * height / 1e6, megabits, taken * 1000))
                rate = megabits * float(fps)
                print(f"{codec} {width}x{height} {rate:.2f} Mbit/s: {taken * 1000:.2f} ms a frame", flush=True)
                file.unlink()
    foot, slopes = _planes(points)
    print(json.dumps({"ms_a_frame": round(foot, 2), "ms_a_megapixel_and_megabit": slopes}))


def _first_frames(film: str, seconds: float) -> tuple[list[Image], Fraction]:
    with av.open(film) as container:
        stream = container.streams.video[0]
        fps = Fraction(stream.average_rate or 25)
        frames = itertools.islice(container.decode(stream), round(seconds * fps))
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in frames], fps


def _planes(points: list[tuple[str, float, float, float]]) -> tuple[float, dict[str, tuple[float, float]]]:
    """Least squares of relative errors: milliseconds a frame, and by codec those a megapixel and a megabit of it."""
    codecs = list(dict.fromkeys(codec for codec, *_ in points))
    design = np.zeros((len(points), 1 + 2 * len(codecs)))
    for row, (codec, megapixels, megabits, taken) in enumerate(points):
        place = 1 + 2 * codecs.index(codec)
        design[row, 0], design[row, place], design[row, place + 1] = 1 / taken, megapixels / taken, megabits / taken
    solution = np.linalg.lstsq(design, np.ones(len(points)), rcond=None)[0].tolist()
    slopes = {
        codec: (round(solution[1 + 2 * number], 2), round(solution[2 + 2 * number], 1))
        for number, codec in enumerate(codecs)
    }
    return solution[0], slopes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codecs")
    parser.add_argument("film", metavar="FILM")
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    main(options.film, options.seconds)
