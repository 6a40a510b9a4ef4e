"""How many of a clip's frames only repeat the one before: film at a lower rate in a file of a higher one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from filters.base import ColumnType, Score, Scorer
from preprocess.frames import FrameSignals, FrameView

SAME_CHANGE = 0.025
"""Mean absolute difference, 0-255, that coding leaves in a repeated frame: see `freeze_fraction`."""
SAME_SHARE = 0.15
"""Of the largest change nearby: what is added to that where the coder corrects the frame when it comes again."""
NEAR_SECONDS = 0.3
"""Both ways: film of 4 pictures a second shows two of them in that time."""
MOVING_CHANGE = 0.25
"""The largest change nearby from which something moves enough to tell a repeated frame from one in a still view."""
SUDDEN = 3.0
"""Times as much as while a picture is shown again, the change beside it at least."""
LEAST_FRAMES = 12
"""Frames with movement that it takes to measure a rate."""


@dataclass(frozen=True, slots=True)
class RepeatedFramesScorer(Scorer):
    """`repeated_frames`: share of the frames, 0-1, that repeat the one before; `true_fps`: what is left of the clip's
    frames a second. Both are null where too little moves to tell."""

    name: ClassVar[str] = "repeated_frames"
    columns: ClassVar[Mapping[str, ColumnType]] = {"repeated_frames": float, "true_fps": float}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "repeated_frames": (
            "0-1",
            "share of frames that repeat the one before: 0.6 for film of 24 in a file of 60; null where too "
            "little moves to tell",
        ),
        "true_fps": ("frames/s", "what is left without them"),
    }
    timed: ClassVar[tuple[str, ...]] = ("repeated_frames", "true_fps")

    def score(self, view: FrameView) -> Mapping[str, Score]:
        """Reads the frame signals only, and of them the stretches where something moves."""
        share = _repeated_share(view.signals)
        if share is None:
            return {"repeated_frames": None, "true_fps": None}
        frames_a_second = view.clip.num_frames / view.clip.duration_seconds
        return {"repeated_frames": share, "true_fps": frames_a_second * (1 - share)}


def _repeated_share(signals: FrameSignals) -> float | None:
    change, seconds = signals.change[1:], signals.seconds
    if len(change) < LEAST_FRAMES or not np.isfinite(change).all():
        return None
    near = max(1, round(NEAR_SECONDS / float(np.median(np.diff(seconds)))))
    largest = _largest_nearby(change, near)
    moving = largest >= MOVING_CHANGE
    if moving.sum() < max(LEAST_FRAMES, len(change) / 4):
        return None
    same = np.maximum(SAME_CHANGE, SAME_SHARE * largest)
    return float(_sudden(change, change <= same)[moving].mean())


def _sudden(change: npt.NDArray[np.float64], low: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The runs of low change that movement follows or precedes at once; a camera that slows down does so by degrees."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], low, [False]]).astype(np.int8)))
    sudden = np.zeros(len(low), np.bool_)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        beside = [change[at] for at in (first - 1, end) if 0 <= at < len(change)]
        if beside and max(beside) >= SUDDEN * max(SAME_CHANGE, change[first:end].max()):
            sudden[first:end] = True
    return sudden


def _largest_nearby(change: npt.NDArray[np.float64], near: int) -> npt.NDArray[np.float64]:
    """Of each value and its neighbours up to so many away."""
    window = np.ones((1, 2 * near + 1), np.uint8)
    largest: npt.NDArray[np.float64] = cv2.dilate(change[None], window)[0]
    return largest
