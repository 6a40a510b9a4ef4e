"""PP-OCRv6's detector: where lines of text may be; it boxes much that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from filters.onnx.session import session
from filters.onnx.weights import without_vanishing
from filters.text.boxes import Box

LONG_SIDE = 640
"""Finds lines of 2.5 % of the frame's height (60 ms a frame) as 960 does (180 ms); 480 finds 3/4 of them (36 ms)."""
STEP = 32
"""The network takes pictures whose sides are multiples of this."""
AROUND = 1
"""Steps of the canvas that are looked at beside what is asked for: letters are seen as a line."""
STROKE, BELIEVED, MARGIN = 0.3, 0.5, 1.6
"""What rapidocr takes for a stroke, and for a line on average; by how much it widens a box."""


class LineDetector:
    """The detector, on one thread of the CPU."""

    def __init__(self, models: Path) -> None:
        # Imported here, so that naming a scorer in a recipe does not load rapidocr.
        from rapidocr.ch_ppocr_det import TextDetector
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        self._in_order: Any = TextDetector.sorted_boxes
        self._session = session(without_vanishing((models / "PP-OCRv6_det_small.onnx").read_bytes()))
        self._boxes_of: Any = DBPostProcess(
            thresh=STROKE, box_thresh=BELIEVED, unclip_ratio=MARGIN, use_dilation=True, score_mode="fast"
        )

    def detect(self, bgr: npt.NDArray[np.uint8]) -> list[Box]:
        """Boxes of possible lines, top to bottom, in pixels of `bgr`; corners clockwise from the top left."""
        scale = LONG_SIDE / max(bgr.shape)
        canvas = _canvas(bgr)
        if canvas is None:
            return []
        width, height = (max(1, round(side * scale)) for side in (bgr.shape[1], bgr.shape[0]))
        found, _ = self._boxes_of(self._seen(canvas), (height, width))
        return [np.asarray(box, np.float32) / scale for box in self._in_order(found)]

    def boxes_any(self, bgr: npt.NDArray[np.uint8], where: npt.NDArray[np.bool_]) -> bool:
        """Whether it boxes anything in some parts of a picture, by cell of any grid over it, and `AROUND` them.

        It looks at nothing else, so it takes less time the less they are.
        """
        canvas = _canvas(bgr)
        if canvas is None:
            return False
        size = (canvas.shape[1] // STEP, canvas.shape[0] // STEP)
        for columns, rows in _windows(where, size):
            window = np.ascontiguousarray(canvas[rows, columns])
            if len(self._boxes_of(self._seen(window), window.shape[:2])[0]):
                return True
        return False

    def _seen(self, canvas: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probability of a stroke at each pixel, (1, 1, h, w)."""
        pixels = (canvas.transpose(2, 0, 1) / np.float32(127.5) - 1)[None]
        probabilities: npt.NDArray[np.float32] = self._session.run(None, {"x": pixels})[0]
        return probabilities


def _canvas(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """The picture as the network takes it; None where it is too thin for that."""
    scale = LONG_SIDE / max(bgr.shape)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    width, height = (max(1, round(side * scale)) for side in (bgr.shape[1], bgr.shape[0]))
    canvas = round(width / STEP) * STEP, round(height / STEP) * STEP
    if 0 in canvas:
        return None
    # as rapidocr does it: in two steps, the second of which makes up for a few pixels
    small: npt.NDArray[np.uint8] = cv2.resize(cv2.resize(bgr, (width, height), interpolation=interpolation), canvas)
    return small


def _windows(where: npt.NDArray[np.bool_], size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Columns and rows of pixels of the parts, each with `AROUND` steps beside it, of a canvas of `size` steps."""
    columns, rows = size
    taken = np.zeros((rows, columns), np.uint8)
    down, across = np.nonzero(where)
    taken[down * rows // where.shape[0], across * columns // where.shape[1]] = 1
    grown = cv2.dilate(taken, np.ones((2 * AROUND + 1, 2 * AROUND + 1), np.uint8))
    _, _, parts, _ = cv2.connectedComponentsWithStats(grown)
    return [
        (slice(left * STEP, (left + width) * STEP), slice(top * STEP, (top + height) * STEP))
        for left, top, width, height, _ in parts[1:].tolist()
    ]
