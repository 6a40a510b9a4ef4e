"""The colours a viewer would name, for captions and for browsing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import ColumnType, Scorer
from preprocess.frames import FrameView, Picture, Plane

FRAMES = 4
LONG_SIDE = 80
"""Pixels: colour areas smaller than an eightieth of the picture do not dominate it."""
MOST_COLORS = 3
LEAST_SHARE = 0.15
"""Share of the picture from which a second or third colour is named."""
BLACK_VALUE, WHITE_VALUE = 45, 190
"""Largest of R, G, B (0-255) below which a pixel is black, and from which an unsaturated one is white."""
GREY_SATURATION = 45
"""HSV saturation (0-255) below which a pixel has no hue to name."""
HUES = ((8, "red"), (21, "orange"), (34, "yellow"), (84, "green"), (97, "cyan"), (129, "blue"), (147, "purple"))
"""Upper ends in OpenCV's half degrees; pink follows up to 172, and red again."""
PINK_END = 172
NAMES = ("black", "grey", "white", "brown", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")


@dataclass(frozen=True, slots=True)
class DominantColorsScorer(Scorer):
    """`dominant_colors`: up to three plain names in order of their share of four frames, such as `blue, grey`."""

    name: ClassVar[str] = "dominant_colors"
    columns: ClassVar[Mapping[str, ColumnType]] = {"dominant_colors": str}

    def score(self, view: FrameView) -> str | None:
        """The largest colour is always named, the others from 15 % on."""
        counts = np.zeros(len(NAMES), np.int64)
        for sample in view.uniform(FRAMES):
            counts += np.bincount(_named(_small_hsv(sample.picture)).ravel(), minlength=len(NAMES))
        order = np.argsort(-counts, kind="stable")[:MOST_COLORS]
        chosen = [NAMES[n] for rank, n in enumerate(order) if rank == 0 or counts[n] >= LEAST_SHARE * counts.sum()]
        return ", ".join(chosen)


def _small_hsv(picture: Picture) -> Plane:
    height, width = picture.y.shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    planes = (cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (picture.y, picture.cr, picture.cb))
    bgr = cv2.cvtColor(cv2.merge(list(planes)), cv2.COLOR_YCrCb2BGR)
    hsv: Plane = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)
    return hsv


def _named(hsv: Plane) -> npt.NDArray[np.int64]:
    """Index into `NAMES` for each pixel."""
    hue, saturation, value = (hsv[..., channel] for channel in range(3))
    ends = np.array([end for end, _ in HUES] + [PINK_END])
    names = [NAMES.index(name) for _, name in HUES] + [NAMES.index("pink"), NAMES.index("red")]
    index = np.array(names, np.int64)[np.searchsorted(ends, hue, side="right")]
    warm = np.isin(index, [NAMES.index(name) for name in ("red", "orange", "yellow")])
    index[warm & (hue >= 4) & (hue < 30) & (value < 150)] = NAMES.index("brown")
    index[(saturation < GREY_SATURATION)] = NAMES.index("grey")
    index[(saturation < GREY_SATURATION) & (value >= WHITE_VALUE)] = NAMES.index("white")
    index[value < BLACK_VALUE] = NAMES.index("black")
    return index
