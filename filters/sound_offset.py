"""How much later than its pictures the sound of a source begins: so far off is who puts the first of both together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from filters.base import Scorer
from preprocess.frames import FrameView


@dataclass(frozen=True, slots=True)
class SoundOffsetScorer(Scorer):
    """`sound_offset`: begin of the sound minus begin of the pictures, as the container has them."""

    name: ClassVar[str] = "sound_offset"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "sound_offset": (
            "ms",
            "by how much later than the source's pictures its sound begins, as the container says, negative where it "
            "is earlier; players, `cut` and the columns here go by it. Null where the container does not say",
        )
    }
    timed: ClassVar[tuple[str, ...]] = ("sound_offset",)

    @property
    def listens(self) -> bool:
        """To what the container says of it."""
        return True

    def score(self, view: FrameView) -> float | None:
        """One number for all clips of a source."""
        seconds = view.sound.offset_seconds if view.sound is not None else None
        return None if seconds is None else 1000 * seconds
