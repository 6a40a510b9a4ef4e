"""Films for the torture, where its user gives none: short ones and such of several spans, each with a caption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image

SHOTS_SECONDS = {
    "1 short": (4, 5),
    "2 long": (10,) * 13,
    "3 short": (2, 3.5, 6),
    "4 short": (5,),
    "5 long": (7, 12, 9, 4) * 3,
    "6 short": (1, 2),
    "7 copy of 4": (5,),
}
"""By name. The long ones have three and two spans of a minute."""
FPS = 12
_SIZE = (160, 90)


def write_films(folder: Path) -> None:
    """Fill a new folder."""
    folder.mkdir(parents=True)
    for number, (name, shots) in enumerate(SHOTS_SECONDS.items()):
        seed = 3 if name.startswith("7") else number
        write_video(folder / f"{name}.mp4", _frames(shots, seed), fps=Fraction(FPS))
        (folder / f"{name}.json").write_text(json.dumps({"caption": f"What the film {name} shows.", "license": "CC0"}))


def _frames(shots: tuple[float, ...], seed: int) -> Iterator[Image]:
    """Each shot a texture of its own, which wanders."""
    draw = np.random.default_rng(seed)
    for seconds in shots:
        coarse = draw.integers(20, 235, (9, 32, 3), dtype=np.uint8)
        texture = cv2.resize(coarse, (4 * _SIZE[0], _SIZE[1]), interpolation=cv2.INTER_CUBIC)
        for index in range(round(seconds * FPS)):
            yield texture[:, 2 * index % (3 * _SIZE[0]) :][:, : _SIZE[0]]
