"""The colours a viewer would name, for captions and for browsing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import ColumnType, Scorer
from preprocess.frames import FrameView, Picture, Plane
from preprocess.light import to_rgb

FRAMES = 4
LONG_SIDE = 80
"""Pixels: colour areas smaller than an eightieth of the picture do not dominate it."""
MOST_COLORS = 3
LEAST_SHARE = 0.15
"""Share of the picture from which a second or third colour is named."""
BITS = 5
"""Of R, G and B that are told apart: names are looked up in a table."""
LIGHTNESS_WEIGHT = 0.6
"""Of a difference in lightness against one in colour: words span light and dark (navy is blue)."""
ANCHORS = {
    "black": "000000 14141a",
    "grey": "929591 7d7f7c 59656d 363737 acaea8 708090",
    "white": "ffffff f0f0ee ecf0f4",
    "brown": "653700 341c02 ad8150 5c4033 874c2b 8b4513 a0522d a52a2a 7f5f45 cd853f b5651d",
    "beige": "e6daa6 d1b26f ffffc2 f5f5dc d2b48c ffe0bd f1c27d e0ac69 deb887 e2ca76 c8a27c d9b99b bd9078",
    "red": "e50000 ff0000 840000 be0119 8b0000 650021 b22222 dc143c a01030 6b0f1a",
    "orange": "f97306 ffa500 ff8c00 c04e01 fdaa48 e67e22 ff7f50",
    "yellow": "ffff14 ffff00 dbb40c ffd700 fffe7a ceb301 feff7f",
    "green": "15b01a 033500 96f97b 89fe05 06470c 6e750e 677a04 01ff07 c7fdb5 3f9b0b 76cd26 8fae22 556b2f 2e8b57 3c5a28",
    "cyan": "00ffff 06c2ac 029386 13eac9 04d8b2 008080 40e0d0 d0fefe 00ced1",
    "blue": "0343df 95d0fc 75bbfd 00035b 0504aa 01153e 0165fc 4682b4 448ee4 5a7d9a a2bffe 006994 191970 0000ff 4169e1 "
    "000080",
    "purple": "7e1e9c bf77f6 9a0eea c79fef 35063e 8e82fe cea2fd 380282 673a3f 800080 6a5acd 5d3a7a dda0dd c8a2c8",
    "pink": "ff81c0 ff79b0 ffd1df ff028d cb416b ff796c ffc0cb fa8072 c20078 ffb6c1 cf6275 db7093 d5869d fe86a4 ff00ff",
}
"""Colours of each name as RGB. Most are those of the xkcd colour survey (2010; 200,000 people named what they saw) for
the name, its light and dark kinds and its best known shades: navy, teal, olive, maroon, lilac, salmon, tan. Skin is
beige or brown: the light shades of its palettes are anchors too."""
NAMES = tuple(ANCHORS)


@dataclass(frozen=True, slots=True)
class DominantColorsScorer(Scorer):
    """`dominant_colors`: up to three plain names in order of their share of four frames, such as `("blue", "grey")`."""

    name: ClassVar[str] = "dominant_colors"
    columns: ClassVar[Mapping[str, ColumnType]] = {"dominant_colors": tuple}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "dominant_colors": (
            "",
            "up to three of black, grey, white, brown, beige, red, orange, yellow, green, cyan, blue, purple, "
            "pink, by share",
        ),
    }

    def score(self, view: FrameView) -> tuple[str, ...]:
        """The largest colour is always named, the others from 15 % on."""
        counts = np.zeros(len(NAMES), np.int64)
        for sample in view.uniform(FRAMES):
            counts += np.bincount(_named(_small_bgr(sample.picture)), minlength=len(NAMES))
        order = np.argsort(-counts, kind="stable")[:MOST_COLORS]
        least = LEAST_SHARE * counts.sum()
        return tuple(NAMES[n] for rank, n in enumerate(order) if rank == 0 or counts[n] >= least)


def _small_bgr(picture: Picture) -> Plane:
    height, width = picture.y.shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (picture.y, picture.cb, picture.cr)]
    bgr: Plane = cv2.transform(cv2.merge(planes), to_rgb(picture.matrix)[::-1])
    return bgr


def _named(bgr: Plane) -> npt.NDArray[np.uint8]:
    """Index into `NAMES` for each pixel, (h w,)."""
    blue, green, red = cv2.split(bgr >> (8 - BITS))
    place = (blue.astype(np.uint16) << (2 * BITS)) | (green.astype(np.uint16) << BITS) | red
    return np.asarray(_table()[place.ravel()])


@lru_cache
def _table() -> npt.NDArray[np.uint8]:
    """The name of the nearest anchor in CIELAB, by the bits of B, G and R."""
    level = (np.arange(1 << BITS) * 255 / ((1 << BITS) - 1)).astype(np.float32)
    lab = _lab(np.stack(np.meshgrid(level, level, level, indexing="ij"), axis=-1).reshape(-1, 3))
    lightness, red_green, yellow_blue = np.ascontiguousarray(lab.T)
    anchors = [(index, anchor) for index, each in enumerate(ANCHORS.values()) for anchor in each.split()]
    bgr = np.array([[int(anchor[at : at + 2], 16) for at in (4, 2, 0)] for _, anchor in anchors], np.float32)
    nearest = np.full(len(lab), np.inf, np.float32)
    names = np.zeros(len(lab), np.uint8)
    for (index, _), (light, a, b) in zip(anchors, _lab(bgr), strict=True):
        distance = (lightness - light) ** 2 + (red_green - a) ** 2 + (yellow_blue - b) ** 2
        names[distance < nearest] = index
        np.minimum(nearest, distance, out=nearest)
    return names


def _lab(bgr: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """CIELAB of B, G and R (N, 3) of 0-255, with lightness weighed down."""
    lab = cv2.cvtColor(bgr[None] / 255, cv2.COLOR_BGR2LAB)[0]
    return np.asarray(lab * np.array([LIGHTNESS_WEIGHT, 1, 1]), np.float32)
