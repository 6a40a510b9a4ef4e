"""Each family: a tiny pipeline of it, its record, its recipe by hand, and what its pipeline makes of noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.training.families import by_hand, tiny_pipelines
from training.families.family import Family
from training.families.wan import Wan


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is to be known of a family for it to be tried."""

    family: Family
    make: Callable[[Path], Path]
    """Saves a tiny pipeline."""
    loss: Callable[..., torch.Tensor]
    """The documented recipe, by diffusers' parts alone; see `by_hand`."""
    sample: Mapping[str, Any] = field(default_factory=dict)
    """How its pipeline is called, beside prompt, latents and size."""
    frames: int = 9
    side: int = 32
    rate: float = 1e-2


CASES: dict[str, Case] = {
    "wan2_1": Case(
        family=Wan(text_tokens=16),
        make=tiny_pipelines.wan,
        loss=by_hand.wan,
        sample={"guidance_scale": 1.0, "max_sequence_length": 16},
    ),
}
