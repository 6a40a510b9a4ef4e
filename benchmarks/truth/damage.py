"""Spoils pictures by one thing at a time: what lowers their quality, and what they may be like without being bad."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from examples.demo_films.landscapes import Image

LONG_SIDE = 1280
"""Blur is in pixels of a picture of this size."""


@dataclass(frozen=True)
class Series:
    """One thing, at rising strength."""

    levels: tuple[float, ...]
    spoil: Callable[[Image, float, np.random.Generator], Image]


def jpeg(image: Image, quality: float, rng: np.random.Generator) -> Image:
    """Coded and decoded."""
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    decoded: Image | None = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded


def noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """White, of that standard deviation, the same in the three channels."""
    return _rounded(image + rng.normal(0, sigma, image.shape[:2]).astype(np.float32)[..., None])


def grain(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Noise of film: grains of about two pixels, strongest at middle levels."""
    grains = cv2.GaussianBlur(rng.normal(0, 1, image.shape[:2]).astype(np.float32), None, 0.7)
    shown = 1 - ((image.astype(np.float32) - 128) / 128) ** 2
    return _rounded(image + sigma * shown * (grains / grains.std())[..., None])


def enlarged(how: int, *, sharpened: bool = False) -> Callable[[Image, float, np.random.Generator], Image]:
    """By so many times, of a picture that was made so much smaller before; `how` is one of OpenCV's ways."""

    def spoil(image: Image, times: float, rng: np.random.Generator) -> Image:
        height, width = image.shape[:2]
        small = cv2.resize(image, (round(width / times), round(height / times)), interpolation=cv2.INTER_AREA)
        large: Image = cv2.resize(small, (width, height), interpolation=how)
        if sharpened:
            large = cv2.addWeighted(large, 2.0, cv2.GaussianBlur(large, None, 0.7 * times), -1.0, 0)
        return large

    return spoil


def blur(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Out of focus, all of it."""
    soft: Image = cv2.GaussianBlur(image, None, sigma * max(image.shape) / LONG_SIDE)
    return soft


def motion_blur(image: Image, pixels: float, rng: np.random.Generator) -> Image:
    """Drawn out along x."""
    soft: Image = cv2.blur(image, (max(1, round(pixels * max(image.shape) / LONG_SIDE)), 1))
    return soft


def bokeh(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Sharp in a disc of that share of the picture, where most detail is, and out of focus elsewhere."""
    height, width = image.shape[:2]
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    detail = cv2.absdiff(gray, cv2.GaussianBlur(gray, None, 1.5)).astype(np.float32)
    most = int(cv2.GaussianBlur(detail, None, width / 20).argmax())
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    away = np.hypot(rows - most // width, columns - most % width)
    sharp = np.clip((np.sqrt(share * height * width / np.pi) - away) / 8 + 0.5, 0, 1)[..., None]
    soft = cv2.GaussianBlur(image, None, width / 100)
    return _rounded(image * sharp + soft * (1 - sharp))


def light(image: Image, share: float, rng: np.random.Generator) -> Image:
    """So much of the light."""
    return _rounded(image * np.float32(share))


def fog(image: Image, share: float, rng: np.random.Generator) -> Image:
    """So much of the contrast, before light grey."""
    return _rounded((image.astype(np.float32) - 128) * np.float32(share) + 165)


_TIMES = (1.5, 2.0, 3.0, 4.5, 6.0, 9.0)
HARMFUL: Mapping[str, Series] = {
    "jpeg": Series((90, 60, 40, 25, 15, 6, 3), jpeg),
    "noise": Series((2, 4, 8, 16, 32), noise),
    "enlarged_linear": Series(_TIMES, enlarged(cv2.INTER_LINEAR)),
    "enlarged_cubic": Series(_TIMES, enlarged(cv2.INTER_CUBIC)),
    "enlarged_lanczos": Series(_TIMES, enlarged(cv2.INTER_LANCZOS4)),
    "enlarged_sharpened": Series(_TIMES, enlarged(cv2.INTER_LANCZOS4, sharpened=True)),
    "blur": Series((0.7, 1.5, 2.5, 4, 6, 9), blur),
    "motion_blur": Series((9, 21, 41), motion_blur),
}
"""The last level of each is beyond use."""
HARMLESS: Mapping[str, Series] = {
    "light": Series((0.5, 0.25, 0.15), light),
    "fog": Series((0.6, 0.35, 0.2), fog),
    "bokeh": Series((0.3, 0.15, 0.08, 0.04, 0.02), bokeh),
    "grain": Series((2, 4, 6), grain),
}


def blacks(size: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, bool, Image]]:
    """Dark pictures (width, height) by name, and whether they are black."""
    width, height = size
    black = np.zeros((height, width, 3), np.uint8)
    logo, title, stars = black.copy(), black.copy(), black.copy()
    cv2.putText(logo, "TV1", (int(0.85 * width), height // 8), cv2.FONT_HERSHEY_SIMPLEX, width / 640, (220,) * 3, 3)
    cv2.putText(title, "THE END", (width // 3, height // 2), cv2.FONT_HERSHEY_SIMPLEX, width / 500, (220,) * 3, 3)
    stars[rng.integers(0, height, 300), rng.integers(0, width, 300)] = rng.integers(90, 255, (300, 1))
    yield "black", True, black
    yield "noisy", True, noise(black, 1.5, rng)
    yield "raised", True, noise(black + np.uint8(16), 1.5, rng)
    yield "logo", True, logo
    yield "title", False, title
    yield "stars", False, stars


def _rounded(values: np.ndarray) -> Image:
    image: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return image
