"""Pictures without text that detectors of text take for it: rows of things, strokes, patterns."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from examples.demo_films.landscapes import Color, Image

Thing = Callable[[Image, int, int, int, int, Color, np.random.Generator], None]
"""Draws the n-th thing of a row: picture, left, top, size, n, colour, chance."""


def coin(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """A disc with arcs."""
    middle, radius = (x + size // 2, y + size // 2), size // 2
    cv2.circle(image, middle, radius, colour, -1, cv2.LINE_AA)
    for _ in range(4):
        axes = (int(rng.integers(1, radius + 1)), int(rng.integers(1, radius + 1)))
        turn, end = float(rng.uniform(0, 180)), float(rng.uniform(60, 300))
        cv2.ellipse(image, middle, axes, turn, 0, end, (90, 90, 90), 1, cv2.LINE_AA)


def ring(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """A link of a chain, seen from the side or the edge."""
    axes = (int(size * 0.55), int(size * 0.3) if n % 2 else max(2, size // 10))
    cv2.ellipse(image, (x + size // 2, y + size // 2), axes, 0, 0, 360, colour, max(1, size // 8), cv2.LINE_AA)


def leaf(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """A lens, turned anyhow."""
    axes, turn = (size // 2, max(2, size // 5)), float(rng.uniform(0, 180))
    cv2.ellipse(image, (x + size // 2, y + size // 2), axes, turn, 0, 360, colour, -1, cv2.LINE_AA)


def pane(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """A window with a cross."""
    lit = tuple(int(part * rng.uniform(0.5, 1)) for part in colour)
    wide = int(size * 0.7)
    cv2.rectangle(image, (x, y), (x + wide, y + size), lit, -1)
    cv2.line(image, (x + wide // 2, y), (x + wide // 2, y + size), (30, 30, 30), max(1, size // 16))
    cv2.line(image, (x, y + size // 2), (x + wide, y + size // 2), (30, 30, 30), max(1, size // 16))


def tick(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """Marks of a ruler, every fifth one longer."""
    for part in range(4):
        top = y if (4 * n + part) % 5 == 0 else y + size // 2
        left = x + part * size // 4
        cv2.line(image, (left, top), (left, y + size), colour, max(1, size // 14), cv2.LINE_AA)


def pale(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """Two pales of a fence and their rails."""
    for left in (x, x + size // 2):
        cv2.rectangle(image, (left, y), (left + max(2, size // 6), y + 2 * size), colour, -1)
    for top in (y + size // 2, y + 3 * size // 2):
        cv2.rectangle(image, (x, top), (x + int(1.3 * size), top + max(1, size // 8)), colour, -1)


def note(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """A note on five lines."""
    for line in range(5):
        cv2.line(image, (x, y + line * size // 4), (x + int(1.6 * size), y + line * size // 4), colour, 1, cv2.LINE_AA)
    head = (x + size // 2, y + int(rng.integers(0, 9)) * size // 8)
    cv2.ellipse(image, head, (size // 6, size // 8), -20, 0, 360, colour, -1, cv2.LINE_AA)
    cv2.line(
        image, (head[0] + size // 6, head[1]), (head[0] + size // 6, head[1] - 3 * size // 4), colour, 2, cv2.LINE_AA
    )


def shard(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """A polygon of 3 to 5 corners."""
    corners = rng.uniform(0.1, 0.9, (int(rng.integers(3, 6)), 2)) * size + (x, y)
    cv2.fillPoly(image, [corners.astype(np.int32)], colour, cv2.LINE_AA)


def blade(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """Blades of grass."""
    for _ in range(3):
        steps = [(x + rng.uniform(0, size), y + size * (1 - at)) for at in (0.0, 0.5, 1.0)]
        cv2.polylines(image, [np.array(steps, np.int32)], False, colour, int(rng.integers(1, 4)), cv2.LINE_AA)


def bar(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """Bars of a code, of one, two or three widths."""
    left = x
    while left < x + size:
        wide = int(rng.integers(1, 4)) * max(1, size // 12)
        if rng.random() < 0.5:
            cv2.rectangle(image, (left, y), (left + wide, y + size), colour, -1)
        left += wide


def meander(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """The Greek border."""
    path = np.array([[0, 1], [0, 0], [0.8, 0], [0.8, 0.75], [0.3, 0.75], [0.3, 0.4], [0.55, 0.4]]) * size + (x, y)
    cv2.polylines(image, [path.astype(np.int32)], False, colour, max(1, size // 9))


def chevron(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """An arrow head."""
    corners = np.array([[x, y], [x + size // 2, y + size // 2], [x, y + size]])
    cv2.polylines(image, [corners], False, colour, max(2, size // 6), cv2.LINE_AA)


def module(image: Image, x: int, y: int, size: int, n: int, colour: Color, rng: np.random.Generator) -> None:
    """A matrix code: 21 x 21 cells, without its three eyes."""
    cells = (rng.random((21, 21)) < 0.5).astype(np.uint8)
    code = cv2.resize(cells, (size, size), interpolation=cv2.INTER_NEAREST)
    part = image[y : y + size, x : x + size]
    part[code[: part.shape[0], : part.shape[1]] > 0] = colour


THINGS: tuple[Thing, ...] = (
    *(coin, ring, leaf, pane, tick, pale, note),
    *(shard, blade, bar, meander, chevron, module),
)


def row_of(thing: Thing, image: Image, rng: np.random.Generator) -> Image:
    """A copy of the picture (H, W, 3) with one to three rows of 4 to 27 things of one size."""
    drawn = image.copy()
    height, width = image.shape[:2]
    size = max(8, int(height * np.exp(rng.uniform(np.log(0.03), np.log(0.14)))))
    left, top = int(rng.uniform(0.02, 0.3) * width), int(rng.uniform(0.1, 0.6) * height)
    step, rows, count = rng.uniform(0.95, 1.5), int(rng.integers(1, 4)), int(rng.integers(4, 28))
    shade = int(rng.integers(170, 256) if image.mean() < 128 else rng.integers(0, 80))
    for row in range(rows):
        for n in range(count):
            x, y = left + int(n * size * step), top + int(row * size * 1.4)
            if x + size < width and y + size < height:
                thing(drawn, x, y, size, n, (shade, shade, shade), rng)
    return drawn
