"""Wan 2.2: two transformers of 14 B, one for much noise and one for little; and one of 5 B, which takes a first frame.

Sources: diffusers 0.42.1, `pipelines/wan/pipeline_wan.py` and `pipeline_wan_i2v.py`; Wan's own configurations of
`wan/configs`: shift 12 and a boundary of 0.875 for 14 B, shift 5 for 5 B.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from training.families.family import Asked
from training.families.folder import PipelineFolder
from training.families.wan import Wan
from training.objectives.text_to_video import first_frame_condition


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

    def tells_first_frames(self, folder: PipelineFolder) -> bool:
        """Always."""
        return True

    def sees_first_frames(self, folder: PipelineFolder) -> bool:
        """Its latents stand in place of noised ones, and that is all."""
        return False

    def condition(
        self, first_BC1HW: torch.Tensor, seen: torch.Tensor, known_B: torch.Tensor, num_latents: int
    ) -> torch.Tensor:
        """A mask and latents, of which the first is known."""
        return first_frame_condition(first_BC1HW, num_latents, known_B)

    def tells_in_place(self, transformer: Any) -> bool:
        """Always."""
        return True

    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """The velocity."""
        latents, free = asked.latents, self.learnt(asked.latents, asked.condition, transformer)
        if asked.condition is not None:
            latents = latents * free + asked.condition[:, 1:]
        of_tokens = free[:, 0, :, :: asked.grid.patch, :: asked.grid.patch].flatten(1)
        told = replace(asked, latents=latents, told=asked.told[:, None] * of_tokens)
        return Wan.answer(self, transformer, told)  # slots make a new class, which super() does not know
