"""EasyOCR's detector: CRAFT (arXiv 1904.01941) finds the lines of text in pictures, in batches.

EasyOCR's `Reader` is not used: it unpickles its files, refuses those whose MD5 it does not know, downloads, and takes
one picture at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from filters.text.boxes import Box
from filters.towers.batches import Batches, device, load_model

Frame = npt.NDArray[np.uint8]
"""(H, W, 3), RGB."""

DETECTOR_FILE = "craft_mlt_25k.pth"
CANVAS_MULTIPLE = 32
"""CRAFT halves a picture five times."""
TEXT_THRESHOLD, LINK_THRESHOLD, LOW_TEXT = 0.7, 0.4, 0.4
SLOPE, CENTRE, HEIGHT, GAP = 0.1, 0.5, 0.5, 0.5
"""Words that slope less are one line where centres, heights and gap differ by less than these parts of their height.
These, `MARGIN` and `MIN_SIDE` are the defaults of EasyOCR's `detect`."""
MARGIN = 0.1
MIN_SIDE = 20
"""Pixels: the longer side of a box must exceed it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextBox:
    """Where CRAFT sees a line, in pixels of the frame."""

    tight: Box
    """As CRAFT draws it, about as people do, its corners in any order: its area counts."""
    roomy: Box
    """With the margin that EasyOCR gives the recogniser."""


class Detector:
    """CRAFT, on the GPU where there is one."""

    def __init__(self, file: Path, batch_size: int) -> None:
        from easyocr.craft import CRAFT

        self._net = load_model(CRAFT, file)
        self._batches = Batches(batch_size)

    def detect(self, frames: Sequence[Frame]) -> list[list[TextBox]]:
        """The lines of each frame, top to bottom. Frames that fill the same canvas share forward passes."""
        by_canvas: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for index, frame in enumerate(frames):
            by_canvas[_canvas(frame)].append(index)
        found: dict[int, list[TextBox]] = {}
        for same in by_canvas.values():
            found |= zip(same, self._batches.run(self._forward, [frames[index] for index in same]), strict=True)
        return [found[index] for index in range(len(frames))]

    def _forward(self, frames: Sequence[Frame]) -> list[list[TextBox]]:
        import torch

        canvas = np.zeros((len(frames), *_canvas(frames[0]), 3), np.uint8)
        for row, frame in zip(canvas, frames, strict=True):
            row[: frame.shape[0], : frame.shape[1]] = frame
        # Mean and deviation of ImageNet, in grey levels.
        mean, deviation = (
            torch.tensor(values, device=device()).view(1, 3, 1, 1) * 255
            for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        )
        pixels = torch.from_numpy(canvas).to(device()).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            maps = self._net((pixels - mean) / deviation)[0].cpu().numpy()
        return [boxes_of(its, *frame.shape[1::-1]) for its, frame in zip(maps, frames, strict=True)]


def boxes_of(maps: npt.NDArray[np.float32], width: int, height: int) -> list[TextBox]:
    """The lines in CRAFT's score maps, (h / 2, w / 2, 2): region and affinity; of a frame `width` x `height` inside."""
    from easyocr.craft_utils import getDetBoxes
    from easyocr.utils import group_text_box

    found, _, _ = getDetBoxes(maps[..., 0], maps[..., 1], TEXT_THRESHOLD, LINK_THRESHOLD, LOW_TEXT)
    words = [(2 * word).astype(np.int32) for word in found]
    flat = [word.reshape(-1) for word in words]
    # The margin changes neither which words make a line nor the order of lines.
    level, slanted = group_text_box(flat, SLOPE, CENTRE, HEIGHT, GAP, 0)
    tight = [_straightened(line, words) for line in level] + [np.array(corners, np.float32) for corners in slanted]
    level, slanted = group_text_box(flat, SLOPE, CENTRE, HEIGHT, GAP, MARGIN)
    roomy = [np.array(corners, np.float32) for corners in (*map(_rectangle, level), *slanted)]
    boxes = []
    for drawn, wide in zip(tight, roomy, strict=True):
        inside = np.clip(drawn, 0, (width, height))
        if np.ptp(wide, axis=0).max() > MIN_SIDE and np.ptp(inside, axis=0).min() >= 1:
            boxes.append(TextBox(tight=drawn, roomy=wide))
    return sorted(boxes, key=lambda box: (float(box.roomy[0, 1]), float(box.roomy[0, 0])))


def _canvas(frame: Frame) -> tuple[int, int]:
    """Height and width of a frame, padded for CRAFT."""
    height, width = (-(-side // CANVAS_MULTIPLE) * CANVAS_MULTIPLE for side in frame.shape[:2])
    return height, width


def _rectangle(line: Sequence[int]) -> list[tuple[int, int]]:
    """Corners of EasyOCR's (left, right, top, bottom)."""
    left, right, top, bottom = line
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _straightened(line: Sequence[int], words: Sequence[npt.NDArray[np.int32]]) -> Box:
    """The smallest rectangle around the words of a level line, where EasyOCR's upright one is a third too large at 4
    degrees."""
    left, right, top, bottom = line
    inside = [word for word in words if (word >= (left, top)).all() and (word <= (right, bottom)).all()]
    corners: Box = cv2.boxPoints(cv2.minAreaRect(np.concatenate(inside)))
    return corners
