"""How beautiful the frames are, as people rated pictures: aesthetic-predictor v2.5, on SigLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from filters.base import ColumnType
from filters.towers.head_scorer import HeadScorer
from preprocess.io.settings import OUTSIDE
from preprocess.io.weights import MissingWeightsError


@dataclass(frozen=True, kw_only=True)
class AestheticV25Scorer(HeadScorer):
    """aesthetic-predictor v2.5 (discus0434) on SigLIP: `aesthetic_v2_5`, the mean, and `aesthetic_v2_5_min`.

    A scale of 1 to 10, of which its author calls 5.5 and more great. EasyAnimate rejects clips with a mean below 4.0.
    """

    name: ClassVar[str] = "aesthetic_v2_5"
    columns: ClassVar[Mapping[str, ColumnType]] = {"aesthetic_v2_5": float, "aesthetic_v2_5_min": float}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "aesthetic_v2_5": (
            "1-10",
            "rating of aesthetic-predictor v2.5 on SigLIP, another head with other bounds: mean of four frames",
        ),
        "aesthetic_v2_5_min": ("1-10", "that of the worst of them"),
    }

    tower: str = "siglip"
    head: str = field(default="aesthetic_predictor_v2_5.pth", metadata=OUTSIDE)
    """On no hub: `models/aesthetic_predictor_v2_5.pth` of its repository, which has to be given by path."""

    def check(self) -> None:
        """See that the head's file is there."""
        try:
            super().check()
        except MissingWeightsError as error:
            place = "github.com/discus0434/aesthetic-predictor-v2-5 has it, as models/aesthetic_predictor_v2_5.pth"
            raise MissingWeightsError(f"{error}; {place}") from error
