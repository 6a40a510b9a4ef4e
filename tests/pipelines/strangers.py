"""Filters and captioners as somebody else would bring them, from a module outside `filters/` and `captioners/`."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from captioners.base import Caption, Captioner, ClipToDescribe
from filters.base import BatchScorer, ColumnType, Measurement, Score, Scorer, Step
from preprocess.frames import FrameView


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlyScorer(Scorer):
    """Stands for native code that takes its process down, on one clip only."""

    name: ClassVar[str] = "deadly"
    columns: ClassVar[Mapping[str, ColumnType]] = {"deadly": float}
    victim: str = ""
    """A clip id."""

    def score(self, view: FrameView) -> Mapping[str, Score]:
        if view.clip.clip_id == self.victim:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"deadly": view.clip.duration_seconds}


@dataclass(frozen=True, kw_only=True)
class DeadlyModelScorer(BatchScorer):
    """A model that takes its process down on a clip of many frames, whatever else is in the batch."""

    name: ClassVar[str] = "deadly_model"
    columns: ClassVar[Mapping[str, ColumnType]] = {"deadly_model": int}
    most_frames: int = 0

    def frames(self, view):
        return [sample.luma for sample in view.samples]

    def score(self, clips):
        if any(len(clip) > self.most_frames for clip in clips):
            os._exit(1)
        return [{"deadly_model": len(clip)} for clip in clips]


@dataclass(frozen=True, kw_only=True)
class DeadlyCaptioner(Captioner):
    """A captioner in a pool of its own that takes its process down on one clip."""

    name: ClassVar[str] = "deadly_words"
    waits: ClassVar[bool] = True
    num_frames: int = 1
    long_side: int = 32
    victim: str = ""

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        if any(clip.row["clip_id"] == self.victim for clip in clips):
            os._exit(1)
        return [Caption(text=f"A clip of {clip.row['num_frames']} frames.", outcome="ok") for clip in clips]


@dataclass(frozen=True, slots=True, kw_only=True)
class HiccupScorer(Scorer):
    """Fails twice as storage does, and then never again."""

    name: ClassVar[str] = "hiccup"
    columns: ClassVar[Mapping[str, ColumnType]] = {"hiccup": int}
    marks: str = ""
    """A folder that remembers the failures."""

    def score(self, view: FrameView) -> Mapping[str, Score]:
        failures = len(list(Path(self.marks).iterdir()))
        if failures < 2:
            (Path(self.marks) / str(failures)).touch()
            raise OSError("the bucket does not answer")
        return {"hiccup": failures}


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthScorer(Scorer):
    """Frames of a clip, so many times."""

    name: ClassVar[str] = "length"
    columns: ClassVar[Mapping[str, ColumnType]] = {"length": int}
    times: int = 1

    def score(self, view: FrameView) -> Mapping[str, Score]:
        return {"length": self.times * len(view.signals.seconds)}


@dataclass(frozen=True, kw_only=True)
class LengthCaptioner(Captioner):
    """Says how many frames a clip has."""

    name: ClassVar[str] = "length_words"
    needs_frames: ClassVar[bool] = False

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        return [Caption(text=f"A clip of {clip.row['num_frames']} frames.", outcome="ok") for clip in clips]


@dataclass(frozen=True, kw_only=True)
class FlickerMeasurement(Measurement):
    """A kind that no base class foresees: a whole clip's curve, judged beside those of other clips."""

    name: ClassVar[str] = "flicker"
    units_at_a_time: ClassVar[int] = 2
    over: float = 1.0

    def look(self, view):
        return view.signals.luma_mean.astype(np.float32)

    def see(self, looks, rows):
        longest = max(len(look) for look in looks)
        return np.stack([np.pad(look, (0, longest - len(look)), constant_values=np.nan) for look in looks])

    def scores(self, looks, rows):
        pairs = zip(looks, rows, strict=True)
        return [float(np.nanstd(look)) / self.over / row["duration_seconds"] for look, row in pairs]


@dataclass(frozen=True, kw_only=True)
class WordsMeasurement(Measurement):
    """Another: it needs no frames, only the caption."""

    name: ClassVar[str] = "words"
    columns: ClassVar[Mapping[str, ColumnType]] = {"words": int, "longest_word": str}
    needs_frames: ClassVar[bool] = False
    step = Step.CAPTIONED

    def scores(self, looks, rows):
        words = [(row["caption"] or "").split() for row in rows]
        return [{"words": len(each), "longest_word": max(each, key=len, default=None)} for each in words]


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledScorer(Scorer):
    """Does to its process what a file says, for each name of a source that the file has: `bug`, or `bug after 20` s."""

    name: ClassVar[str] = "troubled"
    columns: ClassVar[Mapping[str, ColumnType]] = {"troubled": int}
    troubles: str = ""
    """A JSON file: kind by name. Where it is gone, all is well."""

    def score(self, view: FrameView) -> Mapping[str, Score]:
        file = Path(self.troubles)
        troubles = json.loads(file.read_text()) if file.exists() else {}
        kind, _, after = troubles.get(Path(view.clip.source_uri).name, "none").partition(" after ")
        if view.clip.start_seconds >= float(after or 0):
            TROUBLES[kind]()
        return {"troubled": len(view.signals.seconds)}


def _bug() -> None:
    raise ZeroDivisionError("a bug")


def _outage() -> None:
    raise OSError("503 Slow Down")


def _memory() -> None:
    taken = []
    while True:
        taken.append(bytearray(b"x" * (64 << 20)))
        time.sleep(0.05)


TROUBLES = {
    "none": lambda: None,
    "bug": _bug,
    "outage": _outage,
    "out of memory": lambda: bytearray(1 << 60),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: sys.exit(3),
    "segfault": lambda: ctypes.string_at(0),
    "hang": lambda: ctypes.PyDLL(None).sleep(3600),  # it holds the interpreter
    "sleep": lambda: time.sleep(3600),
    "memory": _memory,
}
