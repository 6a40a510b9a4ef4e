"""Events that a camera makes, and things that pass before it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from benchmarks.truth.events import Event, Where, within
from benchmarks.truth.joins import blend
from examples.demo_films.landscapes import Image


def view(image: Image, x: float, y: float, part: float) -> Image:
    """A part of the picture, enlarged to its size; x and y, 0 to 1, say where in the room that there is."""
    height, width = image.shape[:2]
    wide, high = part * width, part * height
    left, top = x * (width - wide), y * (height - high)
    matrix = np.array([[part, 0, left], [0, part, top]], np.float32)
    seen: Image = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    return seen


def whip_pan(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """The camera is thrown from one side to the other; before and after it looks at part of the picture only."""
    part = 0.6
    begin = float(rng.integers(0, 2))
    for number, image in enumerate(images):
        at = min(1.0, max(0.0, (number - where.start + 1) / (where.end - where.start + 1)))
        x = begin + (1 - 2 * begin) * at
        picture = view(image, x, 0.5, part)
        if where.start <= number < where.end:
            step = (1 - part) / part * image.shape[1] / (where.end - where.start + 1)
            picture = cv2.blur(picture, (max(1, int(step)) | 1, 1))
        yield picture


def shake(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """A hand that is pushed: some 3 % of the picture, smooth over a few frames."""
    length = where.end - where.start
    knots = rng.uniform(0, 1, (max(2, length // 3) + 1, 2))
    knots[0] = knots[-1] = 0.5
    ticks = np.linspace(0, length - 1, len(knots))

    def pushed(image: Image, k: int) -> Image:
        x, y = (float(np.interp(k, ticks, knots[:, axis])) for axis in (0, 1))
        return view(image, x, y, 0.94)

    return (
        pushed(image, number - where.start) if where.start <= number < where.end else view(image, 0.5, 0.5, 0.94)
        for number, image in enumerate(images)
    )


def zoom_burst(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """In and out again within a third of a second."""
    nearest = rng.uniform(0.45, 0.65)
    length = where.end - where.start

    def zoomed(image: Image, k: int) -> Image:
        return view(image, 0.5, 0.5, 1 - (1 - nearest) * float(np.sin(np.pi * (k + 1) / (length + 1))))

    return within(images, where, zoomed)


def occluder(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """Something near and out of focus passes, half as wide as the picture or more."""
    colour = rng.integers(10, 140, 3).astype(np.float32)
    width, way = rng.uniform(0.5, 0.9), float(rng.choice((-1, 1)))
    length = where.end - where.start

    def covered(image: Image, k: int) -> Image:
        columns = np.linspace(0, 1, image.shape[1], dtype=np.float32)
        middle = 0.5 + way * ((k + 0.5) / length - 0.5) * (1 + width)
        there = np.clip((width / 2 - abs(columns - middle)) / 0.06 + 0.5, 0, 1)[None, :, None]
        return blend(image, np.broadcast_to(colour, image.shape).astype(np.uint8), there)

    return within(images, where, covered)


CAMERA = [
    Event(kind="whip_pan", seconds=0.35, happens=whip_pan),
    Event(kind="shake", seconds=1.6, happens=shake),
    Event(kind="zoom_burst", seconds=0.3, happens=zoom_burst, at_least=4),
    Event(kind="occluder", seconds=0.9, happens=occluder),
]
