"""What the predictors of aesthetics share: a small head over the vectors that a tower made of the frames."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from filters.base import Embedded, EmbeddingScorer, Score
from filters.towers.aesthetic_head import AestheticHead, load_head
from preprocess.io.weights import find_file


class HeadScorer(EmbeddingScorer):
    """Applies a head to the uniform frames' embeddings: its mean in the first column, its minimum in the second."""

    head: str

    def check(self) -> None:
        """See that the head's file is there."""
        find_file(self.head, setting=f"scorers.{self.name}.head")

    def setup(self) -> None:
        """Load the head (a few megabytes)."""
        self._loaded  # noqa: B018 - loads it

    def score(self, embedded: Embedded) -> Mapping[str, Score]:
        """Rate the uniformly spaced frames."""
        ratings = self._loaded(embedded.frames[list(embedded.uniform)])
        values = (float(np.mean(ratings)), float(np.min(ratings)))
        return dict(zip(self.columns, values, strict=True))

    def close(self) -> None:
        """Drop the head."""
        self.__dict__.pop("_loaded", None)

    @cached_property
    def _loaded(self) -> AestheticHead:
        return load_head(find_file(self.head, setting=f"scorers.{self.name}.head"))
