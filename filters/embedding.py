"""A clip as one vector, for finding near duplicates and for searching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.base import ColumnType, Embedded, EmbeddingScorer, Vector


@dataclass(frozen=True, kw_only=True)
class EmbeddingColumnScorer(EmbeddingScorer):
    """`embedding`: the mean of the uniformly spaced frames' embeddings, at length 1, so that a dot product is a cosine.

    None where the frames cancel out, as no frames of one clip do.
    """

    name: ClassVar[str] = "embedding"
    columns: ClassVar[Mapping[str, ColumnType]] = {"embedding": list}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "embedding": (
            "",
            "list of float16, of length 1 as a vector: mean of the uniform frames, so that a dot product is a cosine",
        ),
    }

    tower: str = "clip"

    def score(self, embedded: Embedded) -> Vector | None:
        """One vector of the tower's size."""
        mean = embedded.frames[list(embedded.uniform)].mean(axis=0, dtype=np.float64)
        length = float(np.linalg.norm(mean))
        return (mean / length).tolist() if length > 0 else None
