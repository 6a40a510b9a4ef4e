"""What stands still over scenes that change: a logo or a watermark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, half-open."""
Mean = npt.NDArray[np.float32]
"""(2, h, w): mean gradients."""

LEAST_SCENES = 3
"""Clips, or samples of one clip, that it takes to know a mark from the scene."""
CONSTANT = 0.6
"""Squared length of the sum of gradients over that of as many equal ones: 1 where they are the same in every scene,
1 / N where they have nothing to do with each other."""
CONSTANT_IN_CLIP = 0.9
"""The same for the samples of one clip, which have more than their marks in common."""
LEAST_STEP = 5.0
"""Levels of the mean gradient: a watermark of a tenth of opacity before grey."""
NEAR = 9
"""Pixels of the small picture within which strokes belong to one mark."""
LEAST_PIXELS = 14
"""Of strokes; less is chance."""
MOST_AREA = 0.06
"""Of the picture, for the box; what is larger is a scene that all clips share."""
LINE_SHARE = 0.5
"""Of a row or column, from which constant pixels are the edge of a bar or a panel."""
LIKENESS = 0.5
"""Cosine with the mark's own gradients from which a scene shows it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mark:
    """A mark and what its gradients are."""

    box: Box
    strokes: npt.NDArray[np.bool_]
    """(h, w): the pixels that are constant."""
    gradients: Mean

    def is_in(self, scene: Mean) -> bool:
        """Whether a scene shows it."""
        own, seen = self.gradients[:, self.strokes], scene[:, self.strokes]
        size = float(np.linalg.norm(own) * np.linalg.norm(seen))
        return size > 0 and float((own * seen).sum()) / size >= LIKENESS


def standing_mark(scenes: Sequence[Mean], *, constant_from: float = CONSTANT) -> Mark | None:
    """The one mark that stands in scenes of one size; None where there is none, or more stands than a mark."""
    if len(scenes) < LEAST_SCENES or min(scenes[0].shape[1:]) < 2 * NEAR:
        return None
    total, energy = scenes[0].copy(), _squared_length(scenes[0])
    for scene in scenes[1:]:
        total += scene
        energy += _squared_length(scene)
    length = _squared_length(total)
    constant = (length >= constant_from * len(scenes) * energy) & (length >= (LEAST_STEP * len(scenes)) ** 2)
    if np.count_nonzero(constant) < LEAST_PIXELS:
        return None
    constant[constant.mean(axis=1) > LINE_SHARE] = False
    constant[:, constant.mean(axis=0) > LINE_SHARE] = False
    joined = cv2.dilate(constant.astype(np.uint8), np.ones((NEAR, NEAR), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    sizes = np.bincount(labels[constant], minlength=count)
    largest = int(np.argmax(sizes))
    if sizes[largest] < LEAST_PIXELS or 2 * sizes[largest] < constant.sum():
        return None
    strokes = constant & (labels == largest)
    rows, columns = np.flatnonzero(strokes.any(axis=1)), np.flatnonzero(strokes.any(axis=0))
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    if (right - left) * (bottom - top) > MOST_AREA * constant.size:
        return None
    return Mark(box=(left, top, right, bottom), strokes=strokes, gradients=np.asarray(total / len(scenes), np.float32))


def _squared_length(gradients: Mean) -> npt.NDArray[np.float32]:
    return np.asarray(gradients[0] * gradients[0] + gradients[1] * gradients[1], np.float32)
