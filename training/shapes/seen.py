"""What a film of `training.shapes.paths` shows, told by its pixels: where the shape is, and what the camera does."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from training.film import Frames
from training.shapes.paths import Move
from training.shapes.truth import COLORED

STILL = 0.04
"""Of the picture's width a second, that a background must go, or the rate at which it must grow, to be moved."""


def overlap(film: Frames, path: Frames) -> float:
    """Intersection over union of the coloured pixels and the path's disc, mean over frames (N, H, W, 3)."""
    shape, disc = np.stack([_colored(frame) for frame in film]), path[..., 0] >= 128
    both = (shape & disc).sum(axis=(1, 2))
    either = (shape | disc).sum(axis=(1, 2))
    return float(np.mean(both / np.maximum(either, 1)))


def background_motion(film: Frames, *, fps: float) -> tuple[float, float]:
    """How fast the background goes to the right, in picture widths a second, and grows, a second.

    Least squares of the grey levels' change between successive frames (Lucas and Kanade, 1981), over pixels without
    colour, of a shift and a growth from the middle together.
    """
    size = film.shape[2]
    greys = [cv2.GaussianBlur(frame.astype(np.float32).mean(axis=2), (3, 3), 0) for frame in film]
    coloured = np.ptp(film.astype(np.int32), axis=3) >= COLORED / 2
    places = np.arange(size) + 0.5 - size / 2
    x, y = np.meshgrid(places, places)
    found = []
    for before, after, one, other in zip(greys, greys[1:], coloured, coloured[1:], strict=False):
        hidden = cv2.dilate((one | other).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        hidden[[0, -1]], hidden[:, [0, -1]] = True, True
        slopes = np.gradient((before + after) / 2)
        seen = ~hidden
        down, across = slopes[0][seen], slopes[1][seen]
        columns = np.stack([across, down, across * x[seen] + down * y[seen]], axis=1)
        motion, *_ = np.linalg.lstsq(columns, (before - after)[seen], rcond=None)
        found.append(motion)
    right, _, growth = np.median(found, axis=0)
    return float(right / size * fps), float(growth * fps)


def shape_motion(film: Frames, *, fps: float) -> tuple[float, float]:
    """How fast the coloured pixels' centre goes to the right, in picture widths a second, and their width grows, a
    second, from the first frame to the last; none where there is no colour in one of them."""
    masks = [_colored(frame) for frame in (film[0], film[-1])]
    if not all(mask.any() for mask in masks):
        return 0.0, 0.0
    first, last = (mask.nonzero()[1].mean() / film.shape[2] for mask in masks)
    seconds = (len(film) - 1) / fps
    return float(last - first) / seconds, float(np.log(masks[1].sum() / masks[0].sum()) / 2 / seconds)


def camera_move(right: float, growth: float) -> Move:
    """What the camera of `training.shapes.paths` does where things go to the right and grow at such rates a second:
    what goes left is seen by a camera that goes right."""
    # growth is told of the edge, half a picture away, as a shift is
    ways: Sequence[tuple[Move, float]] = (("left", right), ("right", -right), ("in", growth), ("out", -growth))
    move, most = max(ways, key=lambda way: way[1])
    return move if most >= STILL else "still"


def _colored(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """(H, W): pixels of at least half of the frame's strongest colour, where the edge of what is blurred was."""
    chroma = np.ptp(frame.astype(np.int32), axis=2)
    return np.asarray(chroma >= max(COLORED, np.percentile(chroma, 99) / 2))
