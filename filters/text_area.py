"""How much of the picture is under text: titles, subtitles, signs and watermarks that a video model must not learn.

A text detector alone calls whole text-free pictures text, so a box counts only once its line has been read, or once
what the recogniser saw of it is surely text, though of a script that it cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import ColumnType, Score, Scorer
from filters.text.boxes import Box, counted, covered_share, joined, largest, upright_crops, variety
from filters.text.line_detector import LONG_SIDE, LineDetector
from filters.text.line_reader import LineReader, Reading
from filters.text.news import news
from filters.text.scripts import joined_scripts
from filters.text.subtitles import Line, subtitle_band
from preprocess.frames import FrameView, Sample
from preprocess.io.bounds import at_least, check

CONFIDENCE_NEEDED = {2: 0.95, 3: 0.85, 4: 0.85}
"""Mean character probability from which a line is text, by how many different letters and digits it has.

Chance produces few of them: on 800 crops of some 40 text-free photos and shots, readings of two went up to 0.91 (DO, on
coins), of three or four to 0.77, of more to 0.41. Fewer than two never count: fences read as III, a whole picture as
one character.
"""
CONFIDENCE_NEEDED_LONG = 0.65
"""The same from five on; lower, as a garbled reading of a blurred line is still a line."""
CHANCE = -1.0
"""`Reading.textness` under which a confident reading is chance, too: rows of rings are read as 101010, at 0.98. Of 939
lines that are read, drawn and real, the lowest has -0.9; of 21 rows of ticks, rings and coins, the highest -1.8. Lines
of up to `SHORT` characters show too little: OK and A1, large and alone, have less."""
SHORT = 3
UNREAD_NEEDED = 4.0
"""`Reading.textness` from which a line is text though it was not read. Of 235 boxes without text in 389 frames that the
probe was not fitted on (film, and twelve kinds of rows of things), the highest has -0.7; of 548 in photos, walls and
surfaces, told by a fit without these, 2.9. Of 262 boxes of lines in 15 scripts, drawn on photos, 255 have 4 or more.
"""
FOREIGN, SURE = -2.0, 0.95
"""A reading with a `familiarity` under the one and a confidence under the other is Latin letters made of those of
another script: text, but not what it says. Of 70 readings of four scripts drawn on photos it takes none, of 23 that
were made of fourteen others 18."""


@dataclass(frozen=True, kw_only=True)
class TextAreaScorer(Scorer):
    """Share of the frame under confirmed text (PP-OCRv6 small on the CPU), the text itself, its scripts and place.

    `text_area` (0..1) is the maximum over the frames read, not the mean: a title that shows for one second of ten
    spoils the clip, and EasyAnimate's bound (arXiv 2405.18991: text on about 2 % of the frame) is one for a frame.
    It is exactly 0.0 where no line was confirmed. `text` holds the distinct lines that were read, in order, joined by
    " / ", up to `text_boxes.MAX_TEXT_LENGTH` characters; None where there are none. `text_scripts` names their scripts
    as Unicode does, such as "Latin, Han", with "unknown" at the end where a line is text and was not read; None
    where there is neither. `subtitles` (0..1) is the share of the clip's samples with a burned-in subtitle, in the
    band from `subtitle_top` to `subtitle_bottom` (0..1 of the height, downwards; None without one).
    """

    name: ClassVar[str] = "text_area"
    columns: ClassVar[Mapping[str, ColumnType]] = {
        "text_area": float,
        "text": str,
        "text_scripts": str,
        "subtitles": float,
        "subtitle_top": float,
        "subtitle_bottom": float,
    }
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "text_area": (
            "0-1",
            "largest share of a frame under text, by RapidOCR in any script, or by EasyOCR: `run.json` says which",
        ),
        "text": (
            "",
            "what was read of it; null where nothing was, and where `text_area_easyocr` ran with `read=false`",
        ),
        "text_scripts": (
            "",
            "scripts of what was read, as Unicode calls them (`Latin, Han`), `unknown` at the end where a line is"
            " text that could not be read; null where there is neither",
        ),
        "subtitles": (
            "0-1",
            "share of the samples with a burned-in subtitle: a level line in the lower or upper part that stays "
            "for a second, and comes, goes, is replaced, or stands still before what moves",
        ),
        "subtitle_top": (
            "0-1",
            "upper edge of the band of the subtitles, in parts of the height from above; null without one",
        ),
        "subtitle_bottom": ("0-1", "lower edge of the band of the subtitles"),
    }
    timed: ClassVar[tuple[str, ...]] = ("subtitles", "subtitle_top", "subtitle_bottom")
    costly: ClassVar[bool] = True

    max_frames: int = field(default=4, metadata=at_least(1))
    """Most frames read of a clip; a still one needs a single frame."""
    max_lines: int = field(default=16, metadata=at_least(1))
    """Most lines read of a frame, largest first; of a denser page the rest is believed if most of these were text."""

    def __post_init__(self) -> None:
        check(self)

    def setup(self) -> None:
        """Load both models (31 MB from the installed package; about a second)."""
        self._models  # noqa: B018 - loads them

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Read the frames where text may have come in; see the class for the columns."""
        found = self._by_sample(view.samples)
        lines = [line for frame in found.values() for line in frame.lines]
        places = [Line(box=box, sample=number) for number, frame in found.items() for box in frame.boxes]
        band = subtitle_band(view.samples, places)
        return {
            "text_area": max(frame.area for frame in found.values()),
            "text": joined(lines),
            "text_scripts": joined_scripts(lines, sum(frame.unread for frame in found.values())),
            "subtitles": 0.0 if band is None else band.share,
            "subtitle_top": None if band is None else band.top,
            "subtitle_bottom": None if band is None else band.bottom,
        }

    def close(self) -> None:
        """Drop the models."""
        self.__dict__.pop("_models", None)

    @cached_property
    def _models(self) -> TextModels:
        return TextModels()

    def _by_sample(self, samples: Sequence[Sample]) -> dict[int, _Found]:
        """By number of the sample, in time order: the first frame, and those that may have text where they are new.

        Where there is text, all of them, as it comes and goes, and is found on one ground better than on another.
        """
        found: dict[int, _Found] = {}
        for one in news(samples, self.max_frames):
            bgr = samples[one.number].picture.bgr()
            has_text = any(frame.boxes for frame in found.values())
            if not found or has_text or self._models.detector.boxes_any(bgr, one.where):
                found[one.number] = self._found(bgr)
        return dict(sorted(found.items()))

    def _found(self, bgr: npt.NDArray[np.uint8]) -> _Found:
        height, width = bgr.shape[:2]
        boxes = self._models.detector.detect(bgr)
        asked = largest(boxes, self.max_lines)
        lines = {index: line for index in asked if (line := self._confirmed(bgr, boxes[index])) is not None}
        scale = LONG_SIDE / max(height, width)
        tight = {index: _without_margin(boxes[index] * scale) / scale for index in range(len(boxes))}
        return _Found(
            area=covered_share([tight[index] for index in counted(len(boxes), asked, lines)], width, height),
            boxes=[tight[index] for index in lines],
            lines=[line for line in lines.values() if line],
            unread=sum(not line for line in lines.values()),
        )

    def _confirmed(self, bgr: npt.NDArray[np.uint8], box: Box) -> str | None:
        """What a line says; empty where it is text that cannot be read, None where it is no text."""
        readings = [self._models.reader.read(crop) for crop in upright_crops(bgr, box)]
        best = max(readings, key=lambda reading: reading.confidence)
        if is_read(best):
            return best.line if best.familiarity >= FOREIGN or best.confidence >= SURE else ""
        return "" if max(reading.textness for reading in readings) >= UNREAD_NEEDED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The text of one frame."""

    area: float
    """Share of the frame."""
    boxes: Sequence[Box]
    """Of the confirmed lines, read or not."""
    lines: Sequence[str]
    """Those that were read."""
    unread: int
    """How many were not."""


def is_read(reading: Reading) -> bool:
    """Whether what was read is a line of text, and not chance."""
    distinct = variety(reading.line)
    needed = CONFIDENCE_NEEDED.get(distinct, CONFIDENCE_NEEDED_LONG)
    letters = len(reading.line) <= SHORT or reading.textness >= CHANCE
    return distinct >= 2 and reading.confidence >= needed and letters


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


class TextModels:
    """The detector and the recogniser inside the rapidocr package: silent, never downloading."""

    def __init__(self) -> None:
        spec = find_spec("rapidocr")
        assert spec is not None
        assert spec.origin is not None
        models = Path(spec.origin).parent / "models"
        self.detector, self.reader = LineDetector(models), LineReader(models)
        # Memory is taken at the first call.
        blank = np.zeros((32, 64, 3), np.uint8)
        self.detector.detect(blank)
        self.reader.read(blank)
