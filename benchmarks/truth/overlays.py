"""Events that are laid over the picture: bars, a second picture, lettering, a logo."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from benchmarks.truth.events import Event, Where, within
from benchmarks.truth.joins import blend
from examples.demo_films.landscapes import Image

WORDS = ("where have you been", "it is not far", "nobody knows", "look at that", "we should go", "what did he say")


def letterbox(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """Bars come at once and stay."""
    share = rng.uniform(0.08, 0.14)
    for number, image in enumerate(images):
        if number >= where.start:
            bar = round(share * image.shape[0])
            image[:bar] = image[-bar:] = 0
        yield image


def picture_in_picture(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """A small picture with a frame in a corner: the same shot, mirrored, as it was when it appeared."""
    part, corner = rng.uniform(0.25, 0.4), rng.integers(0, 2, 2)
    inset: list[Image] = []

    def with_inset(image: Image, k: int) -> Image:
        if not inset:
            small = cv2.resize(image[:, ::-1], None, fx=part, fy=part, interpolation=cv2.INTER_AREA)
            inset.append(cv2.copyMakeBorder(small, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(240, 240, 240)))
        height, width = inset[0].shape[:2]
        top = round((0.05 if corner[0] else 0.95) * (image.shape[0] - height))
        left = round((0.05 if corner[1] else 0.95) * (image.shape[1] - width))
        image[top : top + height, left : left + width] = inset[0]
        return image

    return within(images, where, with_inset)


def subtitle(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """A line near the lower edge, white with a black outline."""
    words = str(rng.choice(WORDS))

    return within(images, where, lambda image, _: subtitled(image, words))


def subtitled(image: Image, words: str) -> Image:
    """The picture, with a line drawn into it."""
    height, width = image.shape[:2]
    scale = height / 500
    (wide, _high), _base = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    place = ((width - wide) // 2, round(0.9 * height))
    for colour, thick in (((0, 0, 0), 6), ((250, 250, 250), 2)):
        cv2.putText(image, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thick, cv2.LINE_AA)
    return image


def logo(images: Iterator[Image], where: Where, rng: np.random.Generator) -> Iterator[Image]:
    """A mark in the corner, half transparent."""
    opacity = rng.uniform(0.3, 0.7)

    def marked(image: Image, _: int) -> Image:
        height, width = image.shape[:2]
        drawn, radius = image.copy(), round(0.05 * height)
        centre = (width - 2 * radius, 2 * radius)
        cv2.circle(drawn, centre, radius, (230, 230, 230), -1, cv2.LINE_AA)
        cv2.circle(drawn, centre, radius // 2, (40, 40, 200), -1, cv2.LINE_AA)
        return blend(image, drawn, opacity)

    return within(images, where, marked)


OVERLAYS = [
    Event(kind="letterbox", seconds=0.0, happens=letterbox),
    Event(kind="pip", seconds=1.8, happens=picture_in_picture),
    Event(kind="subtitle", seconds=1.5, happens=subtitle),
    Event(kind="logo", seconds=2.0, happens=logo),
]
