"""Wan 2.2: two transformers of 14 B, one for much noise and one for little; and one of 5 B, which takes a first frame.

Sources: diffusers 0.42.1, `pipelines/wan/pipeline_wan.py` and `pipeline_wan_i2v.py`; Wan's own configurations of
`wan/configs`: shift 12 and a boundary of 0.875 for 14 B, shift 5 for 5 B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from training.families.folder import PipelineFolder
from training.families.texts import to_length
from training.families.wan import Wan
from training.models.grid import TokenGrid
from training.models.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Wan22(Wan):
    """A run trains one of the two, on the noise that it is used for; its samples take the other as it came."""

    shift: float = 12.0
    expert: Literal["high", "low"] = "high"
    """The one for much noise, `transformer`, or for little, `transformer_2`."""

    @property
    def part(self) -> str:
        """Of the expert."""
        return "transformer" if self.expert == "high" else "transformer_2"

    @property
    def other_part(self) -> str:
        """Of the other one."""
        return "transformer_2" if self.expert == "high" else "transformer"

    def range_of_levels(self, folder: PipelineFolder) -> tuple[float, float]:
        """Above the pipeline's boundary, or below it.

        Raises:
            ValueError: the pipeline has none.
        """
        boundary = folder.index().get("boundary_ratio")
        if boundary is None:
            raise ValueError(
                f"objective.model={folder.model} has no boundary_ratio, so its noise is not shared by two experts: "
                "Wan 2.1 and the 5 B of 2.2 have families of their own"
            )
        return (boundary, 1.0) if self.expert == "high" else (0.0, boundary)


@dataclass(frozen=True, slots=True, kw_only=True)
class WanWithFirstFrame(Wan):
    """Each token has a timestep; a first frame is told by its clean latents at timestep 0, and is not in the loss."""

    shift: float = 5.0

    def takes_first_frames(self, folder: PipelineFolder) -> bool:
        """Always."""
        return True

    def learnt(self, clean: torch.Tensor, condition: torch.Tensor | None) -> torch.Tensor:
        """What is told need not be learnt."""
        return torch.ones_like(clean[:, :1]) if condition is None else 1 - condition[:, :1]

    def answer(
        self,
        transformer: Any,
        latents: torch.Tensor,
        told_B: torch.Tensor,
        text: Text,
        condition: torch.Tensor | None,
        grid: TokenGrid,
    ) -> torch.Tensor:
        """The velocity."""
        free = self.learnt(latents, condition)
        if condition is not None:
            latents = latents * free + condition[:, 1:]
        times = told_B[:, None] * free[:, 0, :, :: grid.patch, :: grid.patch].flatten(1)
        answer: torch.Tensor = transformer(
            hidden_states=latents,
            timestep=times,
            encoder_hidden_states=to_length(text, self.text_tokens)[0],
            return_dict=False,
        )[0]
        return answer
