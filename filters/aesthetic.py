"""How beautiful the frames are, as people rated pictures: two public predictors on two towers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from filters.base import ColumnType, Embedded, EmbeddingScorer, Score
from filters.towers.aesthetic_head import AestheticHead, load_head
from preprocess.io.weights import MissingWeightsError, find_file


class _HeadScorer(EmbeddingScorer):
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


@dataclass(frozen=True, kw_only=True)
class AestheticScorer(_HeadScorer):
    """LAION's predictor of aesthetics, version 2, on CLIP ViT-L/14: `aesthetic`, the mean, and `aesthetic_min`.

    A scale of 1 to 10, on which few pictures leave 3 to 7. EasyAnimate's version 2 rejected clips with a mean below
    4.0; its report (arXiv 2405.18991, table 2) has 4.0 for pretraining and 4.5 for finetuning. Stable Diffusion 1.2 was
    trained on pictures above 5.0 (its model card).
    """

    name: ClassVar[str] = "aesthetic"
    columns: ClassVar[Mapping[str, ColumnType]] = {"aesthetic": float, "aesthetic_min": float}

    tower: str = "clip"
    head: str = "trl-lib/ddpo-aesthetic-predictor:aesthetic-model.pth"
    """The hub's copy of sac+logos+ava1-l14-linearMSE.pth from christophschuhmann/improved-aesthetic-predictor. Heads of
    the other layouts (`filters.towers.aesthetic_head`) do as well, on the tower that they were trained on."""


@dataclass(frozen=True, kw_only=True)
class AestheticV25Scorer(_HeadScorer):
    """aesthetic-predictor v2.5 (discus0434) on SigLIP: `aesthetic_v2_5`, the mean, and `aesthetic_v2_5_min`.

    A scale of 1 to 10, of which its author calls 5.5 and more great. EasyAnimate rejects clips with a mean below 4.0.
    """

    name: ClassVar[str] = "aesthetic_v2_5"
    columns: ClassVar[Mapping[str, ColumnType]] = {"aesthetic_v2_5": float, "aesthetic_v2_5_min": float}

    tower: str = "siglip"
    head: str = "aesthetic_predictor_v2_5.pth"
    """On no hub: `models/aesthetic_predictor_v2_5.pth` of its repository, which has to be given by path."""

    def check(self) -> None:
        """See that the head's file is there."""
        try:
            super().check()
        except MissingWeightsError as error:
            place = "github.com/discus0434/aesthetic-predictor-v2-5 has it, as models/aesthetic_predictor_v2_5.pth"
            raise MissingWeightsError(f"{error}; {place}") from error
