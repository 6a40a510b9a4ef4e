"""How much of the picture is under text: titles, subtitles, signs and watermarks that a video model must not learn.

A text detector alone calls whole text-free pictures text, so a box counts only once its line has been read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import Score, Scorer
from preprocess.frames import FrameView, Plane, Sample

Box = npt.NDArray[np.float32]
"""Corners of a rotated rectangle, (4, 2), x and y in pixels."""

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
MAX_TEXT_LENGTH = 500
MASK_LONG_SIDE = 960
"""Boxes are filled at this size, where rounding to pixels moves a subtitle's area by a few per cent."""
STROKE_LONG_SIDE = 480
STROKE_CELL = 12
"""Pixels of the stroke map's grid at `STROKE_LONG_SIDE`: about the height of a subtitle."""
NEW_STROKES = 8.0
"""Grey levels of |Laplacian|, mean over a cell. Titles of 5 % of the height add 11 or more, also in soft video;
frames that add less than this hold the text of frames already read."""


@dataclass(frozen=True, kw_only=True)
class TextAreaScorer(Scorer):
    """Share of the frame under confirmed text (PP-OCRv6 small on the CPU), and the text itself.

    `text_area` (0..1) is the maximum over the frames read, not the mean: a title that shows for one second of ten
    spoils the clip, and EasyAnimate's bound (arXiv 2405.18991: text on about 2 % of the frame) is one for a frame.
    It is exactly 0.0 where no line was confirmed. `text` holds the distinct lines in order, joined by " / ", up to
    `MAX_TEXT_LENGTH` characters; None where there are none.
    """

    name: ClassVar[str] = "text_area"
    columns: ClassVar[Mapping[str, type[float] | type[int] | type[str]]] = {"text_area": float, "text": str}
    costly: ClassVar[bool] = True

    max_frames: int = 4
    """Most frames read of a clip; a still one needs a single frame."""
    max_lines: int = 16
    """Most lines read of a frame, largest first; of a denser page the rest is believed if most of these were text."""

    def __post_init__(self) -> None:
        for field, count in (("max_frames", self.max_frames), ("max_lines", self.max_lines)):
            if count < 1:
                raise ValueError(f"{field} is {count}, must be at least 1")

    def setup(self) -> None:
        """Load both models (31 MB from the installed package; about a second)."""
        self._reader  # noqa: B018 - loads them

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Read the frames where text may have come in; see the class for the two columns."""
        chosen = frames_to_read(view.samples, self.max_frames)
        readings = [self._read(sample.picture.bgr()) for sample in chosen]
        lines = dict.fromkeys(line for _, found in readings for line in found)
        return {
            "text_area": max(area for area, _ in readings),
            "text": " / ".join(lines)[:MAX_TEXT_LENGTH] or None,
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
        by_size = sorted(range(len(boxes)), key=lambda index: -cv2.contourArea(boxes[index]))
        read = sorted(by_size[: self.max_lines])
        lines = {index: line for index in read if (line := self._confirmed(bgr, boxes[index])) is not None}
        counted = list(lines)
        if len(lines) * 2 > len(read):
            counted += by_size[self.max_lines :]
        scale = DETECTION_LONG_SIDE / max(height, width)
        tight = [_without_margin(boxes[index] * scale) / scale for index in counted]
        return covered_share(tight, width, height), list(lines.values())

    def _confirmed(self, bgr: npt.NDArray[np.uint8], box: Box) -> str | None:
        readings = [self._reader.recognise(crop) for crop in _upright_crops(bgr, box)]
        line, confidence = max(readings, key=lambda reading: reading[1])
        return line if _is_text(line, confidence) else None


def frames_to_read(samples: Sequence[Sample], max_frames: int) -> tuple[Sample, ...]:
    """The samples, in time order, that together show every place where text may have appeared.

    Thin strokes give a high Laplacian, so each next frame is the one whose strongest cell exceeds all frames chosen
    before by most; the first choice is the frame with the strongest strokes of all. Costs 0.3 ms a sample.
    """
    maps = [_stroke_map(sample.picture.y) for sample in samples]
    chosen: list[int] = []
    seen = np.zeros_like(maps[0])
    while len(chosen) < min(max_frames, len(maps)):
        news = [-1.0 if index in chosen else float((strokes - seen).max()) for index, strokes in enumerate(maps)]
        best = int(np.argmax(news))
        if chosen and news[best] < NEW_STROKES:
            break
        chosen.append(best)
        # A neighbouring cell is allowed to move here, so that a slow pan is not news.
        seen = np.maximum(seen, cv2.dilate(maps[best], np.ones((3, 3), np.uint8)))
    return tuple(samples[index] for index in sorted(chosen))


def covered_share(boxes: Sequence[Box], width: int, height: int) -> float:
    """Share of a `width` x `height` picture under the boxes; where boxes overlap, the area counts once."""
    if not boxes:
        return 0.0
    scale = MASK_LONG_SIDE / max(width, height)
    mask = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box * scale).astype(np.int32)], 1)
    return float(mask.mean())


def _stroke_map(luma: Plane) -> npt.NDArray[np.float32]:
    scale = min(1.0, STROKE_LONG_SIDE / max(luma.shape))
    small = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else luma
    strokes = np.abs(cv2.Laplacian(small, cv2.CV_32F))
    cells: npt.NDArray[np.float32] = cv2.boxFilter(strokes, -1, (2 * STROKE_CELL, STROKE_CELL))
    rows, columns = (slice(min(STROKE_CELL, size) // 2, None, STROKE_CELL) for size in cells.shape)
    return cells[rows, columns]


def _is_text(line: str, confidence: float) -> bool:
    variety = len({character for character in line.casefold() if character.isalnum()})
    return variety >= 2 and confidence >= CONFIDENCE_NEEDED.get(variety, CONFIDENCE_NEEDED_LONG)


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


def _upright_crops(bgr: npt.NDArray[np.uint8], box: Box) -> list[npt.NDArray[np.uint8]]:
    """The box's pixels as a level line; a tall box gives both quarter turns, as it may run downwards or upwards."""
    top_left, top_right, _, bottom_left = box
    width = max(1, round(float(np.linalg.norm(top_right - top_left))))
    height = max(1, round(float(np.linalg.norm(bottom_left - top_left))))
    level = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(box, level)
    crop = cv2.warpPerspective(bgr, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if height < 1.5 * width:
        return [crop]
    return [cv2.rotate(crop, way) for way in (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_90_CLOCKWISE)]


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
