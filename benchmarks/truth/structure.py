"""Things that are laid over or around a picture, at known places: bars, logos, split screens. All on (H, W, 3) BGR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
MOVES = 0.5
"""Mean difference of pictures half a second apart, in levels, from which something moves."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, half-open."""


def in_box(frames: Sequence[Image], box: Box, *, level: float = 0.0, noise: float = 0.0, seed: int = 0) -> list[Image]:
    """Frames squeezed into a box of a picture of their own size, with bars of one grey level and noise all over."""
    left, top, right, bottom = box
    random = np.random.default_rng(seed)
    framed = []
    for frame in frames:
        picture = np.full(frame.shape, level, np.float32)
        picture[top:bottom, left:right] = cv2.resize(frame, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
        grain = random.normal(0, noise, frame.shape[:2])[..., None] if noise else 0.0
        framed.append(np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8))
    return framed


def dimmed(frames: Sequence[Image], light: float) -> list[Image]:
    """Frames at a share of their level."""
    return [np.rint(frame * light).astype(np.uint8) for frame in frames]


def with_logo(frames: Sequence[Image], box: Box, *, opacity: float = 1.0, light: int = 230) -> list[Image]:
    """A ring and a bar, which stand still, mixed into the box."""
    left, top, right, bottom = box
    height, width = bottom - top, right - left
    mark = np.zeros((height, width), np.float32)
    radius = max(2, min(height, width) // 2 - 2)
    cv2.circle(mark, (radius + 1, height // 2), radius - 1, 1.0, max(2, radius // 3))
    if width > 3 * radius:
        cv2.rectangle(mark, (2 * radius + 4, height // 3), (width - 2, 2 * height // 3), 1.0, -1)
    weight = opacity * mark[..., None]
    marked = []
    for frame in frames:
        picture = frame.astype(np.float32)
        picture[top:bottom, left:right] = picture[top:bottom, left:right] * (1 - weight) + light * weight
        marked.append(np.rint(picture).astype(np.uint8))
    return marked


def split(left: Sequence[Image], right: Sequence[Image], *, at: float = 0.5, line: int = 0) -> list[Image]:
    """Two films side by side, each cut from its middle, with a line of so many black columns between them."""
    joined = []
    for one, two in zip(left, right, strict=False):
        width = one.shape[1]
        edge = round(at * width)
        picture = np.concatenate([_middle(one, edge), _middle(two, width - edge)], axis=1)
        if line:
            picture[:, edge - line // 2 : edge - line // 2 + line] = 0
        joined.append(picture)
    return joined


def _middle(frame: Image, columns: int) -> Image:
    start = (frame.shape[1] - columns) // 2
    return frame[:, start : start + columns]


def repeated(frames: Sequence[Image], times: int) -> list[Image]:
    """Each frame so many times: film of a lower rate."""
    return [frame for frame in frames for _ in range(times)]


def moves(frames: Sequence[Image], fps: int) -> bool:
    """Whether something moves in each half second, and from each frame to the next: a film of a lower rate, or one that
    stands still for a while, would have another truth than what is made of it."""
    luma = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames]
    apart = [cv2.norm(one, other, cv2.NORM_L1) for one, other in zip(luma, luma[fps // 2 :], strict=False)]
    beside = [cv2.norm(one, other, cv2.NORM_L1) for one, other in pairwise(luma)]
    return bool(min(apart) >= MOVES * luma[0].size and min(beside) >= MOVES / 10 * luma[0].size)


def bar_cases(height: int, width: int) -> Mapping[str, tuple[Box, Callable[[Sequence[Image]], list[Image]]]]:
    """By name, the true box and what makes a film of one that has no bars."""
    whole = (0, 0, width, height)
    wide = (0, height // 8, width, height - height // 8)
    tall = (width // 6, 0, width - width // 6, height)
    window = (width // 10, height // 10, width - width // 10, height - height // 10)
    uneven = (0, height // 10, width, height - height // 6)
    logo = (width - width // 8, height // 40, width - width // 40, height // 10)

    def boxed(box: Box, **how: float) -> tuple[Box, Callable[[Sequence[Image]], list[Image]]]:
        return box, lambda frames: in_box(frames, box, level=how.get("level", 0), noise=how.get("noise", 0))

    return {
        "none": (whole, list),
        "dark, none": (whole, lambda frames: dimmed(frames, 0.12)),
        "letterbox": boxed(wide),
        "pillarbox": boxed(tall),
        "windowbox": boxed(window),
        "uneven": boxed(uneven),
        "noise 4": boxed(wide, noise=4),
        "noise 10": boxed(wide, noise=10),
        "dark, letterbox": (wide, lambda frames: in_box(dimmed(frames, 0.12), wide)),
        "dark, pillarbox": (tall, lambda frames: in_box(dimmed(frames, 0.12), tall)),
        "grey 30": boxed(wide, level=30),
        "grey 30, pillarbox": boxed(tall, level=30),
        "white": boxed(wide, level=255),
        "white, pillarbox": boxed(tall, level=255),
        "logo in the bar": (wide, lambda frames: with_logo(in_box(frames, wide), logo)),
    }
