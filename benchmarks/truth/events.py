"""Events within a shot that are no cuts: light that changes, frames that are damaged, held or left out.

An event takes the pictures of a shot, from its first frame to its end, and gives as many, other ones where it is. What
it draws by chance it draws before the first picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from benchmarks.truth.joins import blend
from examples.demo_films.landscapes import Image


@dataclass(frozen=True)
class Where:
    """Frames [start, end) of a shot, and its rate."""

    start: int
    end: int
    fps: float

    def share(self, number: int) -> float:
        """How far into it a frame is: 0 at its first, 1 at its last."""
        return (number - self.start) / max(1, self.end - self.start - 1)


Happens = Callable[[Iterator[Image], Where, np.random.Generator], Iterator[Image]]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Its name in truth files, how long it is, and what it does; `extra` source frames are used up by it."""

    kind: str
    seconds: float
    happens: Happens
    at_least: int = 1
    extra_seconds: float = 0.0

    def length(self, fps: float) -> int:
        """Frames at that rate."""
        return max(self.at_least, round(self.seconds * fps))

    def extra(self, fps: float) -> int:
        """Frames that the shot must have more than are shown of it."""
        return round(self.extra_seconds * fps)


def within(images: Iterable[Image], where: Where, change: Callable[[Image, int], Image]) -> Iterator[Image]:
    """`change` gets each picture of the event, and its number from 0 on."""
    for number, image in enumerate(images):
        yield change(image, number - where.start) if where.start <= number < where.end else image


def flash(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """A camera's flash: bright at once, gone in a frame or two."""
    strength = rng.uniform(0.6, 0.95)
    return within(
        images, where, lambda image, k: blend(image, np.full_like(image, 255), strength * (1.0, 0.5, 0.2)[min(k, 2)])
    )


def strobe(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """Light and dark in turns, some eight times a second."""
    half = max(1, round(where.fps / 16))
    bright = rng.uniform(0.4, 0.9)
    return within(
        images,
        where,
        lambda image, k: blend(image, np.full_like(image, 255 * (k // half % 2)), bright * (k // half % 2)),
    )


def explosion(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """A ramp to nearly white in a sixth of the time, and a slow orange decay."""
    rise, peak = 1 / 6, rng.uniform(0.75, 0.95)
    length = where.end - where.start

    def lit(image: Image, k: int) -> Image:
        at = k / max(1, length - 1)
        share = peak * (at / rise if at < rise else (1 - at) / (1 - rise))
        glow = np.array([255 - 130 * at, 255 - 60 * at, 255], np.float32)
        return blend(image, np.broadcast_to(glow, image.shape).astype(np.uint8), share)

    return within(images, where, lit)


def light_switch(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """The light goes off at once, and on again."""
    left = rng.uniform(0.12, 0.4)
    return within(images, where, lambda image, _: blend(np.zeros_like(image), image, left))


def glitch(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """Rows of blocks from elsewhere, and grey ones, as a decoder leaves them."""
    seed = int(rng.integers(1 << 31))

    def damaged(image: Image, _: int) -> Image:
        draw, damaged = np.random.default_rng(seed), image.copy()
        height = image.shape[0]
        for _row in range(int(draw.integers(4, 12))):
            top, rows = int(draw.integers(0, height - 8)), int(draw.integers(1, 7)) * 16
            part = np.roll(image[top : top + rows], int(draw.integers(20, 300)), axis=1)
            damaged[top : top + rows] = part if draw.random() < 0.6 else part // 4 + 96
        return damaged

    return within(images, where, damaged)


def stutter(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """Every third or fourth frame only, each held."""
    every = int(rng.integers(3, 5))
    held: list[Image] = []

    def step(image: Image, k: int) -> Image:
        if k % every == 0:
            held[:] = [image]
        return held[0].copy()

    return within(images, where, step)


def freeze(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """One frame is held, then time goes on where it had been left."""
    first = next(images)
    yield first
    for number in range(1, where.end):
        if number <= where.start:
            first = next(images)
        yield first.copy()
    yield from images


def skipping(seconds: float) -> Happens:
    """Frames are missing: the pictures jump ahead."""

    def happens(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
        yield from islice(images, where.start)
        for _ in islice(images, round(seconds * where.fps)):
            pass
        yield from images

    return happens


def fast(speed: int) -> Happens:
    """Time runs faster."""

    def happens(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
        yield from islice(images, where.start)
        for _ in range(where.end - where.start):
            chunk = list(islice(images, speed))
            if chunk:
                yield chunk[-1]
        yield from images

    return happens


def focus_pull(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """Out of focus, and back."""
    widest = rng.uniform(0.008, 0.02)
    length = where.end - where.start

    def soft(image: Image, k: int) -> Image:
        sigma = widest * image.shape[1] * np.sin(np.pi * (k + 1) / (length + 1))
        softened: Image = cv2.GaussianBlur(image, (0, 0), float(max(0.1, sigma)))
        return softened

    return within(images, where, soft)


LIGHT_AND_TIME = [
    Event(kind="flash", seconds=0.08, happens=flash),
    Event(kind="strobe", seconds=1.25, happens=strobe),
    Event(kind="explosion", seconds=1.4, happens=explosion),
    Event(kind="light_switch", seconds=1.2, happens=light_switch),
    Event(kind="glitch", seconds=0.05, happens=glitch),
    Event(kind="stutter", seconds=1.2, happens=stutter, at_least=8),
    Event(kind="freeze", seconds=0.8, happens=freeze),
    Event(kind="drop_frames", seconds=0.0, happens=skipping(0.3), extra_seconds=0.3),
    Event(kind="fast_motion", seconds=0.35, happens=fast(3), extra_seconds=0.8),
    Event(kind="focus_pull", seconds=1.8, happens=focus_pull),
]
