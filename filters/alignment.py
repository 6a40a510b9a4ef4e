"""Whether a caption says what the clip shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import Embedded, EmbeddingScorer


@dataclass(frozen=True, kw_only=True)
class AlignmentScorer(EmbeddingScorer):
    """`alignment`: mean cosine between the caption and the uniformly spaced frames.

    From -1 to 1, and far from 1 also where the caption is right: LAION-400M kept pictures from 0.3 on, with CLIP
    ViT-B/32 (arXiv 2111.02114). A bound holds for one model; EasyAnimate's 0.2 is that of VideoCLIP-XL. None for a clip
    without a caption. Of a long caption only as much is read as the model's context holds, 77 tokens for CLIP.
    """

    name: ClassVar[str] = "alignment"
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "alignment": ("-1-1", "mean cosine between caption and uniform frames"),
    }
    needs_caption: ClassVar[bool] = True

    tower: str = "clip"

    def score(self, embedded: Embedded) -> float | None:
        """The mean cosine."""
        if embedded.caption is None:
            return None
        cosines = embedded.frames[list(embedded.uniform)] @ embedded.caption
        return float(np.clip(cosines.mean(), -1, 1))
