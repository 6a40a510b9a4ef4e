"""Whether a clip is interlaced: whether its frames are woven of two fields that show two moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from filters.base import Scorer
from preprocess.frames import FrameView


@dataclass(frozen=True, slots=True)
class InterlacedScorer(Scorer):
    """`interlaced`: share of the sampled frames that are combed, 0-1; a view in which nothing moves shows no combs.

    Seen in the pixels (`preprocess.fields`): films are flagged interlaced that are not, and the other way round.
    """

    name: ClassVar[str] = "interlaced"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "interlaced": (
            "0-1",
            "share of the sampled frames that are combed: two fields of two moments. Such frames are measured by "
            "one field",
        ),
    }

    def score(self, view: FrameView) -> float:
        """Always measured."""
        return sum(sample.interlaced for sample in view.samples) / len(view.samples)
