"""Clips whose motion is known, made of still pictures: cameras that move over one, subjects cut from another.

Speeds are in percent of the longer side a second. Each clip gives its picture at any time, so size and rate are free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]
Look = Callable[[float], Gray]
"""The picture at a time in seconds, 0 at the beginning."""

Path = Callable[[float], float]
"""Where a camera is at a time."""

SIZE = (640, 360)
SECONDS = 4.0
DIRECTIONS = ("pan_right", "tilt_down", "pan_left", "tilt_up")
"""Words for a camera that goes right, down, left, up."""
AREAS = (0.02, 0.08, 0.25)
SPEEDS = (2.0, 10.0, 25.0, 40.0)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is done to a picture and does not make it move."""

    light: float = 1.0
    contrast: float = 1.0
    blur: float = 0.0
    """Pixels of a picture of 640."""
    noise: float = 0.0
    """Grey levels."""

    def __call__(self, picture: Gray, rng: np.random.Generator) -> Gray:
        """The changed picture; noise is another one in each."""
        changed = picture.astype(np.float32)
        if self.blur:
            changed = cv2.GaussianBlur(changed, (0, 0), self.blur * max(picture.shape) / 640)
        changed = (128 + (changed - 128) * self.contrast) * self.light
        if self.noise:
            changed += rng.normal(0, self.noise, changed.shape).astype(np.float32)
        rounded: Gray = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
        return rounded


AS_IS = Change()


@dataclass(frozen=True, kw_only=True)
class Moving:
    """One clip: its kind, its true mean speed over the picture, what the camera does, and how it looks."""

    kind: str
    speed: float
    word: str | None
    """None where no single word is right; `static` would still be wrong where `moves`."""
    look: Look
    moves: bool = True
    """Whether the camera moves."""
    size: tuple[int, int] = SIZE
    fps: int = 24
    change: Change = field(default=AS_IS)


def camera(
    picture: Gray, size: tuple[int, int], *, right: float = 0, down: float = 0, zoom: float = 1, roll: float = 0
) -> Gray:
    """What a camera sees: its centre `right` and `down` (percent of the longer side) of the picture's, `zoom` times as
    near as where the picture is 1.4 times as wide as the view, rolled clockwise by `roll` radians. What lies outside of
    the picture is its mirror image."""
    width, height = size
    longer = max(size)
    scale = picture.shape[1] / (1.4 * width) / zoom
    cosine, sine = scale * math.cos(roll), scale * math.sin(roll)
    middle_x = (picture.shape[1] - 1) / 2 + right / 100 * longer * scale * zoom
    middle_y = (picture.shape[0] - 1) / 2 + down / 100 * longer * scale * zoom
    to_picture = np.array(
        [
            [cosine, -sine, middle_x - cosine * (width - 1) / 2 + sine * (height - 1) / 2],
            [sine, cosine, middle_y - sine * (width - 1) / 2 - cosine * (height - 1) / 2],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen: Gray = cv2.warpAffine(picture, to_picture, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return seen


def before(
    picture: Gray, subject: Gray, area: float, speed: float, *, background: float = 0.0, push: float = 0.0
) -> Look:
    """An oval cut from `subject`, of that share of the view, that goes to and fro at `speed`, or stands in the middle,
    before `picture`, over which the camera goes right at `background`; all of it shakes by up to `push`."""
    width, height = SIZE
    radius_y = min(0.45 * height, math.sqrt(1.2 * area * width * height / math.pi))
    radius_x = area * width * height / math.pi / radius_y
    cut = camera(subject, SIZE, zoom=1.4)
    y, x = np.indices((height, width), np.float32)
    shake = _shake(push)

    def look(seconds: float) -> Gray:
        right, down = (swing(seconds) for swing in shake)
        ground = camera(picture, SIZE, right=background * (seconds - SECONDS / 2) + right, down=down)
        room = width - 2 * radius_x
        there = (speed / 100 * width * seconds + 0.3 * room) % (2 * room) if speed else room / 2
        middle = radius_x + (there if there < room else 2 * room - there) - right / 100 * width
        lower = -down / 100 * width
        inside = 1 - np.hypot((x - middle) / radius_x, (y - height / 2 - lower) / radius_y)
        share = np.clip(inside * min(radius_x, radius_y) / 1.5 + 0.5, 0, 1)
        there_now = np.array([[1, 0, middle - width / 2], [0, 1, lower]])
        shifted = cv2.warpAffine(cut, there_now, SIZE, borderMode=cv2.BORDER_REFLECT_101)
        mixed: Gray = np.rint(ground + share * (shifted.astype(np.float32) - ground)).astype(np.uint8)
        return mixed

    return look


def page(rng: np.random.Generator) -> Gray:
    """Some screens of written lines that look alike, dark on light."""
    width, height = SIZE
    sheet = np.full((6 * height, width), 250, np.uint8)
    line = height // 26
    for baseline in range(line, sheet.shape[0], line):
        at = width // 12
        while at < 0.85 * width and rng.random() > 0.03:
            word = "".join(chr(letter) for letter in rng.integers(ord("a"), ord("z") + 1, int(rng.integers(1, 9))))
            cv2.putText(sheet, word, (at, baseline), cv2.FONT_HERSHEY_SIMPLEX, line / 34, 30, 1, cv2.LINE_AA)
            at += int((len(word) + 1) * line * 0.52)
    return sheet


def scenes(pictures: Sequence[Gray], rng: np.random.Generator) -> Iterator[Moving]:
    """Every kind over every picture."""
    for number, picture in enumerate(pictures):
        subject = pictures[(number + 1) % len(pictures)]
        yield from _cameras(picture, number)
        yield from _subjects(picture, subject)
    sheet = page(rng)
    for speed in (3.0, 10.0):
        yield Moving(kind="page", speed=speed, word="tilt_down", look=_scrolled(sheet, speed))


def _cameras(picture: Gray, number: int) -> Iterator[Moving]:
    def over(path: Mapping[str, Path], size: tuple[int, int] = SIZE) -> Look:
        return lambda t: camera(picture, size, **{way: at(t - SECONDS / 2) for way, at in path.items()})

    width, height = SIZE
    x, y = np.meshgrid(np.linspace(-50, 50, width), np.linspace(-50, 50, height) * height / width)
    reach = float(np.hypot(x, y).mean())
    word = DIRECTIONS[number % 4]
    axis, sign = ("right", "down")[number % 2], 1 - 2 * (number % 4 // 2)
    for speed in (0.3, 1.0, 4.0, 12.0, 30.0, 60.0):
        said = "static" if speed < 0.5 else word
        look = over({axis: _at(sign * speed)})
        yield Moving(kind="pan", speed=speed, word=said, look=look)
    for rate in (-0.3, -0.1, 0.1, 0.3):
        look = over({"zoom": _growing(rate)})
        yield Moving(kind="zoom", speed=abs(rate) * reach, word="zoom_in" if rate > 0 else "zoom_out", look=look)
    for rate in (-0.2, 0.06):
        look = over({"roll": _at(rate)})
        yield Moving(kind="roll", speed=abs(rate) * reach, word="roll_right" if rate > 0 else "roll_left", look=look)
    for change, name in _changes():
        look = over({axis: _at(6 * sign)})
        yield Moving(kind=f"pan_{name}", speed=6, word=word, look=look, change=change)
    for noise in (0.0, 8.0, 20.0):
        yield Moving(kind="static", speed=0, word="static", look=over({}), moves=False, change=Change(noise=noise))
    for push, said in ((0.5, "handheld"), (1.5, "shaky")):
        look = over(dict(zip(("right", "down"), _shake(push), strict=True)))
        yield Moving(kind="shake", speed=0, word=said, look=look)
    for size, fps in (((426, 240), 12), ((1920, 1080), 25), ((360, 640), 60)):
        look = over({axis: _at(8 * sign)}, size)
        yield Moving(kind="formats", speed=8, word=word, look=look, size=size, fps=fps)


def _at(speed: float) -> Path:
    return lambda t: speed * t


def _growing(rate: float) -> Path:
    return lambda t: math.exp(rate * t)


def _swinging(push: float, radians_a_second: float) -> Path:
    return lambda t: push * math.sin(radians_a_second * t)


def _shake(push: float) -> tuple[Path, Path]:
    """To the right and down."""
    return _swinging(push, 17.1), _swinging(push, 23.3)


def _subjects(picture: Gray, subject: Gray) -> Iterator[Moving]:
    for area, speed in product(AREAS, SPEEDS):
        look, kind = (
            before(picture, subject, area, speed),
            f"subject_{area:.0%}_at_{speed:.0f}".replace("%", "_percent"),
        )
        yield Moving(kind=kind, speed=area * speed, word="static", look=look, moves=False)
    for change, name in _changes():
        look = before(picture, subject, 0.08, 10.0)
        yield Moving(kind=f"subject_{name}", speed=0.8, word="static", look=look, moves=False, change=change)
    for area, speed in product(AREAS[1:], SPEEDS[1:3]):
        look = before(picture, subject, area, speed, push=0.5)
        kind = f"handheld_subject_{area:.0%}_at_{speed:.0f}".replace("%", "_percent")
        yield Moving(kind=kind, speed=area * speed, word=None, look=look)
    for area in (0.15, 0.3):
        look = before(picture, subject, area, 0.0, background=8.0)
        yield Moving(kind="tracking", speed=8 * (1 - area), word="tracking", look=look)


def _changes() -> list[tuple[Change, str]]:
    return [
        (Change(light=0.25), "dark"),
        (Change(light=0.12), "night"),
        (Change(noise=8), "noisy"),
        (Change(blur=2), "soft"),
    ]


def _scrolled(sheet: Gray, speed: float) -> Look:
    def look(seconds: float) -> Gray:
        top = round(speed / 100 * SIZE[0] * seconds)
        return sheet[top : top + SIZE[1]]

    return look
