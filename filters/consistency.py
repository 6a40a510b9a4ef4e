"""Whether a clip stays one scene: a cut that was missed shows as two neighbouring frames that differ in content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Embedded, EmbeddingScorer


@dataclass(frozen=True, kw_only=True)
class ConsistencyScorer(EmbeddingScorer):
    """`consistency`: the lowest cosine between neighbours among a clip's first, uniformly spaced and last frames.

    From -1 to 1. EasyAnimate rejects clips below 0.8, with CLIP ViT-L/14 on the keyframes (`filter.py` of its
    video_caption). None for a clip of which only one frame was sampled.
    """

    name: ClassVar[str] = "consistency"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "consistency": ("-1-1", "lowest cosine between neighbours of the first, the uniform and the last frame"),
    }
    timed: ClassVar[tuple[str, ...]] = ("consistency",)

    tower: str = "clip"

    def score(self, embedded: Embedded) -> float | None:
        """The lowest of F - 1 cosines."""
        if len(embedded.frames) < 2:
            return None
        cosines = np.sum(embedded.frames[:-1] * embedded.frames[1:], axis=1)
        return float(np.clip(cosines.min(), -1, 1))
