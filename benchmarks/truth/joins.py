"""Ways from one shot to the next: cuts, dissolves, fades. What each one is made of, and what the truth says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from examples.demo_films.landscapes import Image

Mix = Callable[[Image, Image, int, int], Image]
"""Picture k of n of a gradual join, from what either shot shows at that moment."""
WITHIN_A_TAKE = frozenset({"jump", "punch_in", "reframe", "mirror", "dip_same"})
"""Joins whose second shot is of the first one's take."""


@dataclass(frozen=True, kw_only=True)
class Join:
    """`frames` counts at 24 a second, or, where `exact`, whatever the rate is. None for a cut."""

    kind: str
    """`cut`, `dissolve`, `fade` or `wipe`, as in a truth file."""
    sub: str
    frames: int = 0
    exact: bool = False
    mix: Mix | None = None
    boundary: float = 0.5
    """How far into the join the second shot is said to begin."""

    def __post_init__(self) -> None:
        if (self.mix is None) != (self.frames == 0):
            raise ValueError(f"{self.kind} {self.sub}: {self.frames} frames")

    def length(self, fps: float) -> int:
        """Frames at that rate."""
        return self.frames if self.exact or not self.frames else max(2, round(self.frames * fps / 24))


def blend(before: Image, after: Image, share: float | np.ndarray) -> Image:
    """`share` of `after`, one or one a pixel (H, W, 1), in values as they are stored, as editors do."""
    mixed = before + (after.astype(np.float32) - before) * share
    blended: Image = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return blended


def linear(number: int, count: int) -> float:
    """Progress of frame k of n, neither 0 nor 1."""
    return (number + 1) / (count + 1)


def eased(number: int, count: int) -> float:
    """The same, slow at both ends: three quarters smoothstep, so that the first frame can be told from none."""
    at = linear(number, count)
    return 0.25 * at + 0.75 * at * at * (3 - 2 * at)


def dissolve(ease: Callable[[int, int], float]) -> Mix:
    """One picture over the other."""
    return lambda before, after, number, count: blend(before, after, ease(number, count))


def through(level: int, *, gap: float = 0.0) -> Mix:
    """Out to a flat picture, and in from it; `gap` is the share of the time at which nothing else is seen."""

    def mix(before: Image, after: Image, number: int, count: int) -> Image:
        at = linear(number, count)
        side = before if at < 0.5 else after
        return blend(np.full_like(side, level), side, max(0.0, abs(2 * at - 1) - gap) / (1 - gap))

    return mix


def half(level: int, *, out: bool) -> Mix:
    """Only the first shot fades out, or only the second one in."""

    def mix(before: Image, after: Image, number: int, count: int) -> Image:
        at = linear(number, count)
        side, share = (before, 1 - at) if out else (after, at)
        return blend(np.full_like(side, level), side, share)

    return mix


def levels(first: Sequence[float], second: Sequence[float], level: int, *, add: bool = False) -> Mix:
    """Each of the few frames on either side has its own share of a flat colour, mixed in or, clipped, added."""

    def mix(before: Image, after: Image, number: int, count: int) -> Image:
        side, share = (before, first[number]) if number < len(first) else (after, second[number - len(first)])
        if add:
            brighter: Image = np.clip(side.astype(np.float32) + share * level, 0, 255).astype(np.uint8)
            return brighter
        return blend(side, np.full_like(side, level), share)

    return mix


def _brief() -> list[Join]:
    """Joins of one or a few frames, white and black."""
    shapes = [
        ([0.85], [0.85]),
        ([0.6], [0.6]),
        ([0.9], [0.6, 0.3]),
        ([0.7], [0.7, 0.4, 0.2]),
        ([0.5, 0.85], [0.85, 0.5]),
    ]
    made = []
    for name, level, add in (("white", 255, False), ("black", 0, False), ("light", 255, True)):
        for first, second in shapes:
            sub = f"{name}_" + "_".join(f"{100 * share:.0f}" for share in (*first, *second))
            made.append((sub, len(first), len(second), levels(first, second, level, add=add)))
        if not add:
            solid = [1, 2, 3, 5, 7]
            made += [
                (f"{name}_solid_{n}", (n + 1) // 2, n // 2, levels([1.0] * ((n + 1) // 2), [1.0] * (n // 2), level))
                for n in solid
            ]
    return [
        Join(kind="fade", sub=sub, frames=a + b, exact=True, mix=mix, boundary=a / (a + b)) for sub, a, b, mix in made
    ]


CUTS = [
    *[Join(kind="cut", sub="plain")] * 4,
    *(Join(kind="cut", sub=sub) for sub in ("jump", "punch_in", "reframe", "mirror")),
]
DISSOLVES = [
    Join(kind="dissolve", sub=f"{count}{name}", frames=count, mix=dissolve(ease))
    for count in (6, 8, 12, 18, 24, 36)
    for name, ease in (("", linear), ("_eased", eased))
]
FADES = [
    *(
        Join(kind="fade", sub=f"{name}_{count}", frames=count, mix=through(level))
        for name, level in (("black", 0), ("white", 255))
        for count in (4, 8, 14, 24, 40)
    ),
    Join(kind="fade", sub="black_gap", frames=30, mix=through(0, gap=0.5)),
    Join(kind="fade", sub="grey_16", frames=16, mix=through(90)),
    Join(kind="fade", sub="half_black_out", frames=15, mix=half(0, out=True), boundary=1.0),
    Join(kind="fade", sub="half_black_in", frames=15, mix=half(0, out=False), boundary=0.0),
    Join(kind="fade", sub="half_white_out", frames=12, mix=half(255, out=True), boundary=1.0),
    Join(kind="fade", sub="dip_same", frames=16, mix=through(0)),
]
BRIEF = _brief()
