"""Wipes: joins in which each shot has its own part of the picture, or moves in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.truth.joins import Join, Mix, blend, linear
from examples.demo_films.landscapes import Image

Floats = npt.NDArray[np.floating[Any]]
Order = Callable[[Floats, Floats], Floats]
"""When each pixel changes, 0 first to 1 last, from its place: x and y from 0 to 1."""


def mask(order: Order, softness: float) -> Mix:
    """Pixels change in an order; `softness` is the share of the whole time that the change of one takes."""

    def mix(before: Image, after: Image, number: int, count: int) -> Image:
        height, width = before.shape[:2]
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        turn = order(x / max(1, width - 1), y / max(1, height - 1))[..., None]
        at = linear(number, count) * (1 + softness) - softness
        return blend(before, after, np.clip((at - turn) / max(softness, 1e-6) + 1, 0, 1) if softness else turn <= at)

    return mix


def moved(dx: int, dy: int, *, old: bool, new: bool) -> Mix:
    """The new picture comes from a side, or stands still below an old one that leaves, or both move (a push)."""

    def mix(before: Image, after: Image, number: int, count: int) -> Image:
        height, width = before.shape[:2]
        at = linear(number, count)
        by, rest = (round(dx * at * width), round(dy * at * height)), 1 - at
        behind, front = (before, after) if new else (after, before)
        picture = _shifted(behind, by) if old and new else behind.copy()
        shift = (round(-dx * rest * width), round(-dy * rest * height)) if new else by
        covered = _shifted(np.ones((height, width, 1), np.uint8), shift).astype(bool)
        np.copyto(picture, _shifted(front, shift), where=covered)
        return picture

    return mix


def _shifted(picture: Image, by: tuple[int, int]) -> Image:
    """Moved right and down, black where nothing is."""
    moved_picture = np.zeros_like(picture)
    height, width = picture.shape[:2]
    x, y = by
    to = np.s_[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
    origin = np.s_[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)]
    moved_picture[to] = picture[origin]
    return moved_picture


def pixelize(before: Image, after: Image, number: int, count: int) -> Image:
    """Blocks that grow, a dissolve in the middle, blocks that shrink."""
    at = linear(number, count)
    height, width = before.shape[:2]
    cells = max(1, round(min(at, 1 - at) * width / 10))
    picture = blend(before, after, at)
    small = cv2.resize(picture, (max(1, width // cells), max(1, height // cells)), interpolation=cv2.INTER_AREA)
    blocks: Image = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return blocks


def zoom_in(before: Image, after: Image, number: int, count: int) -> Image:
    """The first shot is run into, then the second one appears in it."""
    at = linear(number, count)
    height, width = before.shape[:2]
    part = max(0.1, 1 - at)
    left, top = int((1 - part) / 2 * width), int((1 - part) / 2 * height)
    crop = before[top : top + max(2, int(part * height)), left : left + max(2, int(part * width))]
    return blend(cv2.resize(crop, (width, height)), after, max(0.0, 2 * at - 1))


def blurred(before: Image, after: Image, number: int, count: int) -> Image:
    """Both are smeared along their rows, most where one gives way to the other."""
    at = linear(number, count)
    reach = max(1, int(min(at, 1 - at) * before.shape[1] / 3)) | 1
    smeared: Image = cv2.blur(blend(before, after, at), (reach, 1))
    return smeared


def dither(before: Image, after: Image, number: int, count: int) -> Image:
    """Pixels change one by one in an order by chance."""
    order = np.random.default_rng(0).random((*before.shape[:2], 1))
    return blend(before, after, order < linear(number, count))


def _radius(x: Floats, y: Floats) -> Floats:
    distance: Floats = np.hypot(x - 0.5, (y - 0.5) * 0.5625) / np.hypot(0.5, 0.28125)
    return distance


def _clock(x: Floats, y: Floats) -> Floats:
    turn: Floats = np.arctan2(x - 0.5, 0.5 - y) / (2 * np.pi) % 1
    return turn


ORDERS: dict[str, Order] = {
    "wiperight": lambda x, y: x,
    "wipeleft": lambda x, y: 1 - x,
    "wipedown": lambda x, y: y,
    "wipeup": lambda x, y: 1 - y,
    "diagonal": lambda x, y: (x + y) / 2,
    "circleopen": _radius,
    "circleclose": lambda x, y: 1 - _radius(x, y),
    "radial": _clock,
    "doors": lambda x, y: abs(2 * x - 1),
    "doors_close": lambda x, y: 1 - abs(2 * y - 1),
    "blinds": lambda x, y: y * 8 % 1,
    "checker": lambda x, y: ((np.floor(x * 8) + np.floor(y * 5)) % 2 + x * 8 % 1) / 2,
}
SIDES = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def _all() -> list[Join]:
    made: list[tuple[str, int, Mix]] = []
    for number, (name, order) in enumerate(ORDERS.items()):
        frames = (10, 16, 24, 12, 20)[number % 5]
        made += [(name, frames, mask(order, 0)), (f"{name}_soft", frames, mask(order, 0.35))]
    for number, (side, (dx, dy)) in enumerate(SIDES.items()):
        frames = (12, 18, 8, 24)[number]
        made += [
            (f"push{side}", frames, moved(dx, dy, old=True, new=True)),
            (f"cover{side}", frames, moved(dx, dy, old=False, new=True)),
            (f"reveal{side}", frames, moved(dx, dy, old=True, new=False)),
        ]
    made += [("pixelize", 14, pixelize), ("zoomin", 16, zoom_in), ("blur", 14, blurred), ("dither", 16, dither)]
    return [Join(kind="wipe", sub=sub, frames=frames, mix=mix) for sub, frames, mix in made]


WIPES = _all()
