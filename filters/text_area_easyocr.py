"""How much of the picture is under text, as EasyAnimate measures it: with EasyOCR, on a GPU, many clips at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from filters.base import BatchScorer, ColumnType, Score
from filters.text.boxes import counted, covered_share, joined, largest, upright_crops, variety
from filters.text.easyocr_detector import DETECTOR_FILE, Detector, Frame, TextBox
from filters.text.easyocr_recogniser import RECOGNISERS, Gray, Reading, Recogniser, recogniser_for
from filters.text.news import frames_to_read
from preprocess.frames import FrameView
from preprocess.io.bounds import at_least, check, within
from preprocess.io.settings import OPERATIONAL, OUTSIDE
from preprocess.io.weights import MissingWeightsError, find_folder

SETTING = "scorers.text_area_easyocr.weights"
PUBLISHED = "https://www.jaided.ai/easyocr/modelhub"

Measured = tuple[float, list[str]]
"""Share of a frame under text, and its lines."""


@dataclass(frozen=True, kw_only=True)
class EasyOcrTextAreaScorer(BatchScorer):
    """Share of the frame under text that CRAFT found and a CRNN could read, and the text itself.

    It fills the columns of `filters.text_area`; a recipe names one of the two. As there, `text_area` (0..1) is the
    maximum over the frames, exactly 0.0 where there is no text; slanted lines count as they lie, overlaps once.

    EasyAnimate (arXiv 2405.18991) runs the detector alone on the middle frame, adds EasyOCR's margin of a tenth of a
    line's height to each side, and so measures 1.2 times as much for a level line; its code leaves out slanted ones.
    """

    name: ClassVar[str] = "text_area_easyocr"
    libraries: ClassVar[tuple[str, ...]] = ("torch", "easyocr")
    columns: ClassVar[Mapping[str, ColumnType]] = {"text_area": float, "text": str}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "text_area": (
            "0-1",
            "largest share of a frame under text, by RapidOCR in any script, or by EasyOCR: `run.json` says which",
        ),
        "text": (
            "",
            "what was read of it; null where nothing was, and where `text_area_easyocr` ran with `read=false`",
        ),
    }

    weights: str = field(default="~/.EasyOCR/model", metadata=OUTSIDE)
    """Folder or hub id of EasyOCR's files, unzipped; by default its own folder. Nothing is fetched from its site."""
    read: bool = True
    """False runs the detector alone: everything it takes for text counts, and `text` is None."""
    languages: str = "en"
    """EasyOCR's codes of languages that one of its recognisers knows, comma-separated, such as `ch_sim,en`."""
    min_confidence: float = field(default=0.4, metadata=within("[0, 1]"))
    """EasyOCR's confidence (0..1) from which a line of at least two different letters or digits is text."""
    max_frames: int = field(default=4, metadata=at_least(1))
    """Most frames looked at of a clip; a still one needs a single frame."""
    max_lines: int = field(default=64, metadata=at_least(1))
    """Most lines read of a frame, largest first; of a denser page the rest is believed if most of these were text."""
    batch_size: int = field(default=16, metadata=OPERATIONAL | at_least(1))
    """Frames, or lines, of a forward pass at most; halved, for good, where the GPU's memory does not hold them."""
    gpus: float = field(default=0.5, metadata=OPERATIONAL)

    def __post_init__(self) -> None:
        check(self)
        recogniser_for(self.languages)

    def check(self) -> None:
        """See that the detector's file and the recogniser's are there.

        Raises:
            MissingWeightsError: one is not.
        """
        self._file(DETECTOR_FILE)
        if self.read:
            self._file(self._recogniser_file)

    def setup(self) -> None:
        """Load the models onto the GPU, or onto the CPU where there is none."""
        self._detector  # noqa: B018 - loads it
        if self.read:
            self._recogniser  # noqa: B018 - loads it

    def frames(self, view: FrameView) -> Sequence[Frame]:
        """The frames where text may have come in, as `filters.text_area` reads them."""
        chosen = frames_to_read(view.samples, self.max_frames)
        return [cv2.cvtColor(sample.picture.bgr(), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False) for sample in chosen]

    def score(self, clips: Sequence[Sequence[Frame]]) -> list[Mapping[str, Score]]:
        """Look at all frames together; see the class for the two columns."""
        frames = [frame for clip in clips for frame in clip]
        found = self._detector.detect(frames)
        measured = iter(self._confirmed(frames, found) if self.read else map(_covered, frames, found))
        scores: list[Mapping[str, Score]] = []
        for clip in clips:
            areas, lines = zip(*(next(measured) for _ in clip), strict=True)
            scores.append({"text_area": max(areas), "text": joined(line for its in lines for line in its)})
        return scores

    def close(self) -> None:
        """Drop the models."""
        self.__dict__.pop("_detector", None)
        self.__dict__.pop("_recogniser", None)

    @cached_property
    def _detector(self) -> Detector:
        return Detector(self._file(DETECTOR_FILE), self.batch_size)

    @cached_property
    def _recogniser(self) -> Recogniser:
        return Recogniser(self._file(self._recogniser_file), self.languages, self.batch_size)

    @property
    def _recogniser_file(self) -> str:
        return RECOGNISERS[recogniser_for(self.languages)][0]

    def _file(self, name: str) -> Path:
        try:
            return find_folder(self.weights, setting=SETTING, files=[name]) / name
        except MissingWeightsError as error:
            raise MissingWeightsError(f"{error}. EasyOCR's authors publish the file, zipped, at {PUBLISHED}") from error

    def _confirmed(self, frames: Sequence[Frame], found: Sequence[Sequence[TextBox]]) -> list[Measured]:
        """Of each frame, what can be read."""
        asked = [largest([box.tight for box in boxes], self.max_lines) for boxes in found]
        places: list[tuple[int, int]] = []
        crops: list[Gray] = []
        for number, (frame, boxes, indices) in enumerate(zip(frames, found, asked, strict=True)):
            gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
            for index in indices:
                turned = upright_crops(gray, boxes[index].roomy)
                crops += turned
                places += [(number, index)] * len(turned)
        best: dict[tuple[int, int], Reading] = {}
        for place, reading in zip(places, self._recogniser.read(crops), strict=True):
            best[place] = max(best.get(place, reading), reading, key=lambda its: its[1])
        measured = []
        for number, (frame, boxes, indices) in enumerate(zip(frames, found, asked, strict=True)):
            lines = {index: best[number, index][0] for index in indices if self._is_text(*best[number, index])}
            area, _ = _covered(frame, [boxes[index] for index in counted(len(boxes), indices, lines)])
            measured.append((area, list(lines.values())))
        return measured

    def _is_text(self, line: str, confidence: float) -> bool:
        return confidence >= self.min_confidence and variety(line) >= 2


def _covered(frame: Frame, boxes: Sequence[TextBox]) -> Measured:
    height, width = frame.shape[:2]
    return covered_share([box.tight for box in boxes], width, height), []
