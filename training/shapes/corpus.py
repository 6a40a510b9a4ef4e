"""A corpus whose truth is known by construction: short films of one coloured shape that moves, captions beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.film import Frames, write_film

COLORS = {"red": (220, 40, 40), "green": (40, 190, 60), "blue": (50, 70, 225), "yellow": (230, 210, 40)}
"""RGB, 0 to 255. Backgrounds are grey, so that all colour is the shape's."""
SHAPES = ("circle", "square", "triangle")
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
"""Steps along x and y; y grows downwards, as in pictures."""
SPEEDS = {"slowly": 0.06, "quickly": 0.16}
"""Frame widths a second."""
RADII = (0.17, 0.23)
"""Least and largest, of which one is drawn; shares of the frame's side."""

SECONDS = 3.25
"""A little over the three seconds that a clip must have by default."""
FPS = 8
SUPERSAMPLING = 3
"""Points a pixel side: edges are smooth, so that slow motion shows between pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one film shows. Lengths are shares of the frame's side."""

    color: str
    shape: str
    direction: str
    speed: str
    x: float
    """Of the shape's centre halfway through the film."""
    y: float
    radius: float
    grey: int
    """Level of the background, 0 to 255."""
    pace: float = 1.0
    """Of the speed that is named: in slow motion less than 1."""

    @property
    def caption(self) -> str:
        """Such as `a red circle moving left slowly`."""
        return f"a {self.color} {self.shape} moving {self.direction} {self.speed}"

    @property
    def caption_short(self) -> str:
        """Such as `a red circle`."""
        return f"a {self.color} {self.shape}"

    def center(self, seconds: float) -> tuple[float, float]:
        """The shape's centre (x, y) at a time of the film."""
        across, down = DIRECTIONS[self.direction]
        way = SPEEDS[self.speed] * self.pace * (seconds - SECONDS / 2)
        return self.x + across * way, self.y + down * way


def write_corpus(
    folder: Path,
    *,
    count: int,
    seed: int = 0,
    size: int = 64,
    look: str = "",
    radii: tuple[float, float] = RADII,
    pace: float = 1.0,
) -> list[Scene]:
    """Write `count` films of `size` pixels a side, each with a JSON file that holds its captions and truth.

    Films that are there already are left as they are. Returns the scenes in the order of the files' names.

    Args:
        folder: is made where there is none.
        count: how many.
        seed: of the scenes.
        size: of both sides.
        look: a colour that all films have and no caption names, as of what one wants a LoRA to learn.
        radii: see `scenes`.
        pace: see `scenes`.

    Raises:
        ValueError: there is no such colour, or shapes are too large for the way that they go.
    """
    if look and look not in COLORS:
        raise ValueError(f"no colour {look!r}, there are {', '.join(COLORS)}")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = scenes(count, seed=seed, radii=radii, pace=pace)
    if look:
        drawn = [replace(scene, color=look) for scene in drawn]
    for number, scene in enumerate(drawn):
        path = folder / f"{number:05d}.mp4"
        if path.exists():
            continue
        captions = {"caption": scene.caption, "caption_short": scene.caption_short}
        told = {name: caption.replace(f" {look}", "") if look else caption for name, caption in captions.items()}
        path.with_suffix(".json").write_text(json.dumps(asdict(scene) | told), encoding="utf-8")
        write_film(path, render(scene, size=size), fps=FPS)
    return drawn


def scenes(count: int, *, seed: int = 0, radii: tuple[float, float] = RADII, pace: float = 1.0) -> list[Scene]:
    """Draw scenes: every combination of words as often as any other to within one, the rest by chance.

    Args:
        count: how many.
        seed: of all that is drawn.
        radii: least and largest.
        pace: of all scenes, see `Scene`.

    Raises:
        ValueError: shapes are so large and fast that their way does not fit into the frame.
    """
    largest = radii[1] + max(SPEEDS.values()) * pace * SECONDS / 2
    if largest > 0.5:
        raise ValueError(
            f"radii up to {radii[1]} at a pace of {pace}: radius and half of the way are {largest:.2f} of the frame's "
            "side, which must be 0.5 at most"
        )
    rng = np.random.default_rng(seed)
    words = list(product(COLORS, SHAPES, DIRECTIONS, SPEEDS))
    turns = [order for _ in range(-(-count // len(words))) for order in rng.permutation(len(words))]
    return [_scene(rng, words[turn], radii, pace) for turn in turns[:count]]


def render(scene: Scene, *, size: int, num_frames: int = round(SECONDS * FPS), fps: float = FPS) -> Frames:
    """The film's first frames as uint8 RGB (N, H, W, 3)."""
    points = (np.arange(size * SUPERSAMPLING) + 0.5) / (size * SUPERSAMPLING)
    film = np.empty((num_frames, size, size, 3), np.uint8)
    for index in range(num_frames):
        x, y = scene.center(index / fps)
        inside = inside_shape(scene.shape, (points[None, :] - x) / scene.radius, (points[:, None] - y) / scene.radius)
        cover = inside.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING).mean((1, 3))[..., None]
        film[index] = np.rint(cover * np.array(COLORS[scene.color]) + (1 - cover) * scene.grey)
    return film


def inside_shape(shape: str, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Where points, given from the centre in units of the radius, are inside the shape. The y axis points down."""
    if shape == "circle":
        return x**2 + y**2 <= 1
    if shape == "square":
        return (np.abs(x) <= 0.85) & (np.abs(y) <= 0.85)
    return (y <= 0.8) & (2 * np.abs(x) <= y + 1)


def _scene(
    rng: np.random.Generator, words: tuple[str, str, str, str], radii: tuple[float, float], pace: float
) -> Scene:
    color, shape, direction, speed = words
    radius = float(rng.uniform(*radii))
    way = SPEEDS[speed] * pace * SECONDS / 2
    # The whole way stays inside the frame, so that the direction is true throughout.
    along = float(rng.uniform(radius + way, 1 - radius - way))
    across = float(rng.uniform(radius, 1 - radius))
    x, y = (along, across) if DIRECTIONS[direction][0] else (across, along)
    grey = int(rng.integers(50, 130))
    return Scene(
        color=color, shape=shape, direction=direction, speed=speed, x=x, y=y, radius=radius, grey=grey, pace=pace
    )
