"""Each family: a tiny pipeline of it, its record, its recipe by hand, and what its pipeline makes of noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.training.families import by_hand, tiny_pipelines
from training.families.cogvideox import CogVideoX
from training.families.family import Family
from training.families.ltx import Ltx
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
    levels: Callable[[Any], torch.Tensor] = lambda pipe: pipe.scheduler.sigmas
    """Which it went through."""
    theirs: Callable[[torch.Tensor], torch.Tensor] = lambda latents: latents
    """Latents (B, C, T, h, w) as it has them."""
    load: Callable[[Any, Path], None] = lambda pipe, file: pipe.load_lora_weights(file)
    """Have it load a LoRA."""
    frames: int = 9
    side: int = 32
    rate: float = 1e-2


def diffusion_levels(pipe: Any) -> torch.Tensor:
    """b / (a + b) at the steps of a DDIM scheduler, and 0."""
    kept = pipe.scheduler.alphas_cumprod.double()[pipe.scheduler.timesteps]
    noise = (1 - kept).sqrt()
    return torch.cat([noise / (noise + kept.sqrt()), torch.zeros(1)]).float()


CASES: dict[str, Case] = {
    "wan2_1": Case(
        family=Wan(text_tokens=16),
        make=tiny_pipelines.wan,
        loss=by_hand.wan,
        sample={"guidance_scale": 1.0, "max_sequence_length": 16},
    ),
    "cogvideox1_5": Case(
        family=CogVideoX(),
        make=tiny_pipelines.cogvideox,
        loss=by_hand.cogvideox,
        sample={"guidance_scale": 1.0},
        levels=diffusion_levels,
        theirs=lambda latents: latents.transpose(1, 2),
    ),
    "ltx_video": Case(
        family=Ltx(),
        make=tiny_pipelines.ltx,
        loss=by_hand.ltx,
        sample={"guidance_scale": 1.0},
        theirs=lambda latents: latents.flatten(2).transpose(1, 2),
        side=64,
    ),
}
