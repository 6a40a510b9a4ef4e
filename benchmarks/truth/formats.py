"""What films are like: their size, rate, light, grain, compression, and how their frames are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from examples.demo_films.landscapes import Image, Size

Look = Callable[[Image, np.random.Generator], Image]


def as_is(image: Image, rng: np.random.Generator) -> Image:
    """The picture."""
    return image


def night(image: Image, rng: np.random.Generator) -> Image:
    """A sixth of the light, and noise of a sensor that has too little."""
    return grain(cv2.convertScaleAbs(image, alpha=0.16), rng, 2.5)


def grain(image: Image, rng: np.random.Generator, sigma: float = 9.0) -> Image:
    """Noise of film, other in each frame, the same in the three channels."""
    height, width = image.shape[:2]
    noise = np.empty((height, width), np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(noise, 0.0, sigma)
    grainy: Image = np.clip(image + noise[..., None], 0, 255).astype(np.uint8)
    return grainy


def grey(image: Image, rng: np.random.Generator) -> Image:
    """Black and white."""
    colourless: Image = np.repeat(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)
    return colourless


def sepia(image: Image, rng: np.random.Generator) -> Image:
    """Brown, all of it."""
    tinted: Image = np.clip(grey(image, rng) * np.array([0.65, 0.88, 1.05]), 0, 255).astype(np.uint8)
    return tinted


def fog(image: Image, rng: np.random.Generator) -> Image:
    """A third of the contrast, before light grey, with little colour."""
    pale: Image = cv2.convertScaleAbs(cv2.addWeighted(image, 0.5, grey(image, rng), 0.5, 0), alpha=0.35, beta=130)
    return pale


@dataclass(frozen=True, kw_only=True)
class Format:
    """One kind of film.

    Films are made at `fps`; where `stored_fps` is higher, frames are stored again and again to fill it. Where
    `interlaced`, two frames are woven into one, the first one's rows on top. Where `uneven`, so great a share of the
    frames is left out, and those before them are shown longer.
    """

    name: str
    size: Size
    fps: int
    look: Look = as_is
    stored_fps: int | None = None
    interlaced: bool = False
    uneven: float = 0.0
    crf: int = 20
    gop: int = 250
    preset: str = "superfast"

    @property
    def truth_fps(self) -> int:
        """The rate at which the truth counts frames: the one that is stored."""
        return self.fps // 2 if self.interlaced else self.stored_fps or self.fps

    @property
    def snap(self) -> int:
        """Joins begin and end at multiples of so many frames, where no other would be at a frame's edge when stored."""
        return 2 if self.interlaced else 1

    def stored(self, number: int) -> int:
        """Which stored frame is the first to show frame `number` or a later one."""
        return -(-number * self.truth_fps // self.fps)


FORMATS = (
    Format(name="24p", size=(854, 480), fps=24),
    Format(name="grey", size=(640, 360), fps=24, look=grey),
    Format(name="720p30", size=(1280, 720), fps=30),
    Format(name="low_bitrate", size=(640, 360), fps=24, crf=38, gop=24),
    Format(name="night", size=(854, 480), fps=24, look=night),
    Format(name="60fps", size=(640, 360), fps=60),
    Format(name="4_3", size=(640, 480), fps=30),
    Format(name="grain", size=(854, 480), fps=25, look=grain, crf=23),
    Format(name="vfr", size=(854, 480), fps=30, uneven=0.18),
    Format(name="12fps", size=(640, 360), fps=12),
    Format(name="repeats_120", size=(640, 360), fps=24, stored_fps=120),
    Format(name="interlaced", size=(720, 576), fps=50, interlaced=True),
    Format(name="sepia", size=(640, 360), fps=30, look=sepia),
    Format(name="twos", size=(640, 360), fps=12, stored_fps=24),
    Format(name="fog", size=(854, 480), fps=25, look=fog),
    Format(name="upright", size=(360, 640), fps=30),
    Format(name="repeats_60", size=(640, 360), fps=24, stored_fps=60),
    Format(name="repeats_240", size=(480, 270), fps=30, stored_fps=240),
)


def woven(images: Iterator[Image]) -> Iterator[Image]:
    """Two pictures in one, the first one's even rows and the second one's odd ones."""
    for first in images:
        second = next(images, first)
        picture = first.copy()
        picture[1::2] = second[1::2]
        yield picture
