"""How much of the picture is under text: titles, subtitles, signs and watermarks that a video model must not learn.

A text detector alone calls whole text-free pictures text, so a box counts only once its line has been read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import ColumnType, Score, Scorer
from filters.text.boxes import Box, counted, covered_share, frames_to_read, joined, largest, upright_crops, variety
from preprocess.frames import FrameView
from preprocess.io.bounds import at_least, check

DETECTION_LONG_SIDE = 640
"""Finds lines of 2.5 % of the frame's height (64 ms a frame) as 960 does (190 ms); 480 finds 3/4 of them (38 ms)."""
CONFIDENCE_NEEDED = {2: 0.95, 3: 0.85, 4: 0.85}
"""Mean character probability from which a line is text, by how many different letters and digits it has.

Chance produces few of them: on 800 crops of some 40 text-free photos and shots, readings of two went up to 0.91 (DO, on
coins), of three or four to 0.77, of more to 0.41. Fewer than two never count: fences read as III, a whole picture as
one character.
"""
CONFIDENCE_NEEDED_LONG = 0.65
"""The same from five on; lower, as a garbled reading of a blurred line is still a line."""


@dataclass(frozen=True, kw_only=True)
class TextAreaScorer(Scorer):
    """Share of the frame under confirmed text (PP-OCRv6 small on the CPU), and the text itself.

    `text_area` (0..1) is the maximum over the frames read, not the mean: a title that shows for one second of ten
    spoils the clip, and EasyAnimate's bound (arXiv 2405.18991: text on about 2 % of the frame) is one for a frame.
    It is exactly 0.0 where no line was confirmed. `text` holds the distinct lines in order, joined by " / ", up to
    `text_boxes.MAX_TEXT_LENGTH` characters; None where there are none.
    """

    name: ClassVar[str] = "text_area"
    columns: ClassVar[Mapping[str, ColumnType]] = {"text_area": float, "text": str}
    costly: ClassVar[bool] = True

    max_frames: int = field(default=4, metadata=at_least(1))
    """Most frames read of a clip; a still one needs a single frame."""
    max_lines: int = field(default=16, metadata=at_least(1))
    """Most lines read of a frame, largest first; of a denser page the rest is believed if most of these were text."""

    def __post_init__(self) -> None:
        check(self)

    def setup(self) -> None:
        """Load both models (31 MB from the installed package; about a second)."""
        self._reader  # noqa: B018 - loads them

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Read the frames where text may have come in; see the class for the two columns."""
        chosen = frames_to_read(view.samples, self.max_frames)
        readings = [self._read(sample.picture.bgr()) for sample in chosen]
        return {
            "text_area": max(area for area, _ in readings),
            "text": joined(line for _, found in readings for line in found),
        }

    def close(self) -> None:
        """Drop the models."""
        self.__dict__.pop("_reader", None)

    @cached_property
    def _reader(self) -> _Reader:
        return _Reader()

    def _read(self, bgr: npt.NDArray[np.uint8]) -> tuple[float, list[str]]:
        """Area share and lines of one frame."""
        height, width = bgr.shape[:2]
        boxes = self._reader.detect(bgr)
        read = largest(boxes, self.max_lines)
        lines = {index: line for index in read if (line := self._confirmed(bgr, boxes[index])) is not None}
        scale = DETECTION_LONG_SIDE / max(height, width)
        tight = [_without_margin(boxes[index] * scale) / scale for index in counted(len(boxes), read, lines)]
        return covered_share(tight, width, height), list(lines.values())

    def _confirmed(self, bgr: npt.NDArray[np.uint8], box: Box) -> str | None:
        readings = [self._reader.recognise(crop) for crop in upright_crops(bgr, box)]
        line, confidence = max(readings, key=lambda reading: reading[1])
        return line if _is_text(line, confidence) else None


def _is_text(line: str, confidence: float) -> bool:
    distinct = variety(line)
    return distinct >= 2 and confidence >= CONFIDENCE_NEEDED.get(distinct, CONFIDENCE_NEEDED_LONG)


def _without_margin(box: Box) -> Box:
    """The box, in pixels of the detector, without the margin it leaves around a line.

    Fitted on rendered lines of 2-20 % of the frame's height: glyphs are 0.71 h - 3.3 high in a box h high, and
    0.22 h + 2.4 shorter than it is long; the fit is taken 15 % looser, as people draw boxes.
    """
    centre, size, angle = cv2.minAreaRect(box)
    high = min(size)
    tight = [max(0.8 * side - 3.5, 0.3 * side) if side == high else max(side - 0.2 * high - 2, 1.0) for side in size]
    corners: Box = cv2.boxPoints((centre, tight, angle))
    return corners


class _Reader:
    """RapidOCR's detector and recogniser: silent, on one thread (one worker runs per core), never downloading."""

    def __init__(self) -> None:
        # Imported here, so that naming the scorer in a recipe does not load onnxruntime.
        from rapidocr import RapidOCR

        spec = find_spec("rapidocr")
        assert spec is not None
        assert spec.origin is not None
        models = Path(spec.origin).parent / "models"
        engine = "EngineConfig.onnxruntime"
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_preprocess_img": False,
                f"{engine}.intra_op_num_threads": 1,
                f"{engine}.inter_op_num_threads": 1,
                # With a path given, rapidocr fails on a missing model where it would otherwise download one.
                "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
                "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
                "Det.limit_type": "max",
                "Det.limit_side_len": DETECTION_LONG_SIDE,
            }
        )
        # Models load at the first call.
        blank = np.zeros((32, 64, 3), np.uint8)
        self.detect(blank)
        self.recognise(blank)

    def detect(self, bgr: npt.NDArray[np.uint8]) -> list[Box]:
        """Boxes of possible lines, top to bottom, in pixels of `bgr`; corners clockwise from the top left."""
        scale = DETECTION_LONG_SIDE / max(bgr.shape)
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        size = (max(1, round(bgr.shape[1] * scale)), max(1, round(bgr.shape[0] * scale)))
        small = cv2.resize(bgr, size, interpolation=interpolation)
        found = self._engine(small, use_det=True, use_cls=False, use_rec=False)
        return [] if found.boxes is None else [np.asarray(box, np.float32) / scale for box in found.boxes]

    def recognise(self, line: npt.NDArray[np.uint8]) -> tuple[str, float]:
        """Text and mean character probability (0..1) of the picture of one line."""
        found = self._engine(line, use_det=False, use_cls=False, use_rec=True)
        return ("", 0.0) if found.txts is None else (found.txts[0], float(found.scores[0]))
