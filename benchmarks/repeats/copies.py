"""What people do to a video before they upload it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from examples.demo_films.landscapes import Image

Change = Callable[[Image], Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One way to change a span of a film."""

    change: Change
    codec: str = "libx264"
    options: Mapping[str, str] = field(default_factory=lambda: {"preset": "superfast", "crf": "23"})
    span: tuple[float, float] = (0.0, 1.0)
    """Which part of the span is left."""
    step: float = 1.0
    """Frames of the span for one of the copy; less than 1 repeats some, at a rate that is higher by as much."""


def scaled(by: float) -> Change:
    """Larger or smaller, sides even."""

    def change(image: Image) -> Image:
        size = tuple(max(2, 2 * round(side * by / 2)) for side in image.shape[1::-1])
        result: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if by < 1 else cv2.INTER_CUBIC)
        return result

    return change


def cropped(left: float, top: float, right: float, bottom: float) -> Change:
    """Without these shares at the edges."""

    def change(image: Image) -> Image:
        height, width = image.shape[:2]
        inside = image[
            round(top * height) : round((1 - bottom) * height), round(left * width) : round((1 - right) * width)
        ]
        return _even(inside)

    return change


def lit(gain: float, offset: float = 0.0, gamma: float = 1.0) -> Change:
    """Brighter or darker; what leaves the range is cut off."""
    levels = np.clip(255 * (np.arange(256) / 255) ** gamma * gain + offset, 0, 255).astype(np.uint8)
    return lambda image: cv2.LUT(image, levels)


def barred(across: float, upright: float) -> Change:
    """With black bars, of these shares of the height and of the width on either side."""

    def change(image: Image) -> Image:
        height, width = image.shape[:2]
        bar, post = round(across * height), round(upright * width)
        return _even(cv2.copyMakeBorder(image, bar, bar, post, post, cv2.BORDER_CONSTANT, value=(0, 0, 0)))

    return change


def mirrored(image: Image) -> Image:
    """Left for right."""
    flipped: Image = cv2.flip(image, 1)
    return flipped


def _even(image: Image) -> Image:
    return image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]


def _as_is(image: Image) -> Image:
    return image


COPIES: Mapping[str, Copy] = {
    "encoded again": Copy(change=_as_is),
    "low bitrate": Copy(change=_as_is, options={"preset": "superfast", "crf": "38"}),
    "MPEG-4, half size": Copy(change=scaled(0.5), codec="mpeg4", options={"b": "500k"}),
    "third of the size": Copy(change=scaled(0.34)),
    "larger by half": Copy(change=scaled(1.5)),
    "5 % cropped": Copy(change=cropped(0.025, 0.025, 0.025, 0.025)),
    "5 % cropped, left and top": Copy(change=cropped(0.05, 0.05, 0.0, 0.0)),
    "5 % of each edge cropped": Copy(change=cropped(0.05, 0.05, 0.05, 0.05)),
    "brighter": Copy(change=lit(1.25, 15)),
    "darker": Copy(change=lit(0.6)),
    "other gamma": Copy(change=lit(1.0, gamma=0.7)),
    "letterboxed": Copy(change=barred(0.125, 0.0)),
    "pillarboxed": Copy(change=barred(0.0, 0.125)),
    "25 % more frames": Copy(change=_as_is, step=0.8),
    "its first four fifths": Copy(change=_as_is, span=(0.0, 0.8)),
    "its last four fifths": Copy(change=scaled(0.5), span=(0.203, 1.0)),
}
"""By the name that the figures have."""
MIRRORED = Copy(change=mirrored)
"""Found only where it is asked for."""
