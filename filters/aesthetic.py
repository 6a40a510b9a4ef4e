"""How beautiful the frames are, as people rated pictures: LAION's predictor, on CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from filters.base import ColumnType
from filters.towers.head_scorer import HeadScorer
from preprocess.io.settings import OUTSIDE


@dataclass(frozen=True, kw_only=True)
class AestheticScorer(HeadScorer):
    """LAION's predictor of aesthetics, version 2, on CLIP ViT-L/14: `aesthetic`, the mean, and `aesthetic_min`.

    A scale of 1 to 10, on which few pictures leave 3 to 7. EasyAnimate's version 2 rejected clips with a mean below
    4.0; its report (arXiv 2405.18991, table 2) has 4.0 for pretraining and 4.5 for finetuning. Stable Diffusion 1.2 was
    trained on pictures above 5.0 (its model card).
    """

    name: ClassVar[str] = "aesthetic"
    columns: ClassVar[Mapping[str, ColumnType]] = {"aesthetic": float, "aesthetic_min": float}
    about: ClassVar[Mapping[str, tuple[str, str]]] = {
        "aesthetic": ("1-10", "LAION's rating on CLIP: mean of four frames"),
        "aesthetic_min": ("1-10", "that of the worst of them"),
    }

    tower: str = "clip"
    head: str = field(default="trl-lib/ddpo-aesthetic-predictor:aesthetic-model.pth", metadata=OUTSIDE)
    """The hub's copy of sac+logos+ava1-l14-linearMSE.pth from christophschuhmann/improved-aesthetic-predictor. Heads of
    the other layouts (`filters.towers.aesthetic_head`) do as well, on the tower that they were trained on."""
