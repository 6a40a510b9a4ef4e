"""Whether there is anything to be heard in a clip, whatever the source has elsewhere, and for how long there is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from filters.base import ColumnType, Heard, Look, Score, SoundScorer
from filters.hearing.levels import levels_dbfs
from preprocess.frames import FrameView

SILENT_DBFS = -60.0
"""FFmpeg's `silencedetect` takes what is below for silence. Dither of 16 bits is at -98, a quiet room at -50."""


@dataclass(frozen=True, slots=True)
class HasSoundScorer(SoundScorer):
    """`has_sound`: something of the clip is not silent; `silence`: share of its time that is, or has no sound at all.

    A source without a track of sound has none, and no share either; where a track cannot be decoded, nobody knows.
    """

    name: ClassVar[str] = "has_sound"
    columns: ClassVar[Mapping[str, ColumnType]] = {"has_sound": bool, "silence": float}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "has_sound": (
            "",
            "whether something can be heard in the clip; null where its sound cannot be decoded, like all that follow",
        ),
        "silence": (
            "0-1",
            "share of the clip's time below -60 dBFS (RMS of a tenth of a second), or where the source has no sound; "
            "null without a track of sound",
        ),
    }
    timed: ClassVar[tuple[str, ...]] = ("has_sound", "silence")

    def score(self, heard: Heard) -> Mapping[str, Score]:
        """By blocks."""
        silent = levels_dbfs(heard) < SILENT_DBFS
        return {"has_sound": not silent.all(), "silence": float(silent.mean())}

    def look(self, view: FrameView) -> Look:
        """What is not there need not be heard."""
        if view.sound is not None and not view.sound.has_track:
            return {"has_sound": False, "silence": None}
        return SoundScorer.look(self, view)
