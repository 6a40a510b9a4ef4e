"""Each family: a tiny pipeline of it, its record, its recipe by hand, and what its pipeline makes of noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tests.training.families import by_hand, tiny_pipelines
from training.families.cogvideox import CogVideoX
from training.families.easyanimate import EasyAnimate
from training.families.family import Family
from training.families.hunyuan_video import HunyuanVideo
from training.families.hunyuan_video15 import HunyuanVideo15
from training.families.hunyuan_video_image import HunyuanVideoFromImage
from training.families.ltx import Ltx
from training.families.ltx2 import Ltx2
from training.families.wan import Wan
from training.families.wan22 import Wan22, WanWithFirstFrame


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is to be known of a family for it to be tried."""

    family: Family
    make: Callable[[Path], Path]
    """Saves a tiny pipeline."""
    loss: Callable[..., torch.Tensor]
    """The documented recipe, by diffusers' parts alone; see `by_hand`."""
    sample: Mapping[str, Any] = field(default_factory=dict)
    """How its pipeline is called, beside prompt, latents and size; None for what it is not given."""
    levels: Callable[[Any], torch.Tensor] = lambda pipe: pipe.scheduler.sigmas
    """Which it went through."""
    theirs: Callable[[torch.Tensor], torch.Tensor] = lambda latents: latents
    """Latents (B, C, T, h, w) as it has them."""
    load: Callable[[Any, Path], None] = lambda pipe, file: pipe.load_lora_weights(file)
    """Have it load a LoRA."""
    sampled: Callable[..., torch.Tensor] | None = None
    """What it makes of latents and a caption, where calling it would do something else."""
    absent: tuple[str, ...] = ()
    """Parts that the tiny pipeline has not."""
    pipeline: str = ""
    """Its class, where it is another one than the family's."""
    first_frame: bool = False
    """Tell the first frame of all clips."""
    begun: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = lambda noise, first: noise
    """The latents that it is given, by noise and that of the first frame."""
    kept: Callable[[torch.Tensor], torch.Tensor] = lambda latents: latents
    """Those of ours that it gives back."""
    told: Callable[[Any], dict[str, Any]] = lambda picture: {"image": picture}
    """How the pipeline is given it."""
    frames: int = 9
    side: int = 32
    rate: float = 1e-2


def load_by_peft(pipe: Any, file: Path) -> None:
    """The matrices of diffusers' file, put into layers that PEFT has made."""
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    held = {name.removeprefix("transformer."): value for name, value in load_file(file).items()}
    layers = sorted(name.removesuffix(".lora_A.weight") for name in held if name.endswith(".lora_A.weight"))
    config = LoraConfig(r=4, lora_alpha=4, target_modules=layers)
    inject_adapter_in_model(config, pipe.transformer)
    loaded: Any = set_peft_model_state_dict(pipe.transformer, held)
    assert not loaded.unexpected_keys


def first_in_place(noise: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """A frame's latent, and noise behind it."""
    return torch.cat([first, noise[:, :, 1:]], dim=2)


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
    "ltx_2": Case(
        family=Ltx2(),
        make=tiny_pipelines.ltx2,
        loss=by_hand.ltx2,
        sampled=by_hand.ltx2_latents,
        absent=("audio_vae", "vocoder"),
        theirs=lambda latents: latents.flatten(2).transpose(1, 2),
        side=64,
    ),
    "hunyuan_video": Case(
        family=HunyuanVideo(),
        make=tiny_pipelines.hunyuan_video,
        loss=by_hand.hunyuan_video,
        sample={"guidance_scale": 1.0},
    ),
    "hunyuan_video1_5": Case(
        family=HunyuanVideo15(),
        make=tiny_pipelines.hunyuan_video15,
        loss=by_hand.hunyuan_video15,
        load=lambda pipe, file: pipe.transformer.load_lora_adapter(load_file(file)),
    ),
    "easyanimate5_1": Case(
        family=EasyAnimate(),
        make=tiny_pipelines.easyanimate,
        loss=by_hand.easyanimate,
        sample={"guidance_scale": 1.0},
        load=load_by_peft,
    ),
    "wan2_2_high": Case(
        family=Wan22(text_tokens=16),
        make=partial(tiny_pipelines.wan, experts=2, boundary_ratio=0.875),
        loss=partial(by_hand.wan, shift=12, above=0.875),
        sample={"guidance_scale": 1.0, "max_sequence_length": 16},
    ),
    "wan2_2_low": Case(
        family=Wan22(text_tokens=16, expert="low"),
        make=partial(tiny_pipelines.wan, experts=2, boundary_ratio=0.875),
        loss=partial(by_hand.wan, shift=12, below=0.875, part="transformer_2"),
        sample={"guidance_scale": 1.0, "max_sequence_length": 16},
        load=lambda pipe, file: pipe.load_lora_weights(file, load_into_transformer_2=True),
    ),
    "wan2_2_5b": Case(
        family=WanWithFirstFrame(text_tokens=16),
        make=partial(tiny_pipelines.wan, channels=8, expand_timesteps=True),
        loss=partial(by_hand.wan, shift=5),
        sample={"guidance_scale": 1.0, "max_sequence_length": 16},
    ),
    "wan2_2_5b_image": Case(
        family=WanWithFirstFrame(text_tokens=16),
        make=partial(tiny_pipelines.wan, channels=8, expand_timesteps=True),
        loss=by_hand.wan_from_first_frame,
        sample={"guidance_scale": 1.0, "max_sequence_length": 16},
        pipeline="WanImageToVideoPipeline",
        first_frame=True,
        begun=first_in_place,
    ),
    "ltx_video_image": Case(
        family=Ltx(),
        make=tiny_pipelines.ltx,
        loss=partial(by_hand.ltx, first_frame=True),
        sample={"guidance_scale": 1.0},
        theirs=lambda latents: latents.flatten(2).transpose(1, 2),
        pipeline="LTXImageToVideoPipeline",
        first_frame=True,
        begun=first_in_place,
        side=64,
    ),
    "wan2_1_image": Case(
        family=Wan(),
        make=partial(tiny_pipelines.wan, from_image=True, clip=True),
        loss=partial(by_hand.wan, from_image=True),
        sample={"guidance_scale": 1.0, "max_sequence_length": 512},
        pipeline="WanImageToVideoPipeline",
        first_frame=True,
    ),
    "wan2_2_high_image": Case(
        family=Wan22(),
        make=partial(tiny_pipelines.wan, from_image=True, experts=2, boundary_ratio=0.875),
        loss=partial(by_hand.wan, from_image=True, shift=12, above=0.875),
        sample={"guidance_scale": 1.0, "max_sequence_length": 512},
        pipeline="WanImageToVideoPipeline",
        first_frame=True,
    ),
    "cogvideox1_5_image": Case(
        family=CogVideoX(),
        make=partial(tiny_pipelines.cogvideox, from_image=True, scales_wrongly=True),
        loss=partial(by_hand.cogvideox, from_image=True),
        sample={"guidance_scale": 1.0},
        levels=diffusion_levels,
        theirs=lambda latents: latents.transpose(1, 2),
        pipeline="CogVideoXImageToVideoPipeline",
        first_frame=True,
    ),
    "hunyuan_video1_5_image": Case(
        family=HunyuanVideo15(),
        make=partial(tiny_pipelines.hunyuan_video15, from_image=True),
        loss=partial(by_hand.hunyuan_video15, from_image=True),
        sample={"height": None, "width": None},
        load=lambda pipe, file: pipe.transformer.load_lora_adapter(load_file(file)),
        pipeline="HunyuanVideo15ImageToVideoPipeline",
        first_frame=True,
    ),
    "easyanimate5_1_image": Case(
        family=EasyAnimate(),
        make=partial(tiny_pipelines.easyanimate, from_image=True),
        loss=partial(by_hand.easyanimate, from_image=True),
        sample={"guidance_scale": 1.0},
        load=load_by_peft,
        pipeline="EasyAnimateInpaintPipeline",
        first_frame=True,
        told=by_hand.easyanimate_told,
    ),
    "hunyuan_video_image_beside": Case(
        family=HunyuanVideoFromImage(),
        make=partial(tiny_pipelines.hunyuan_video, image="latent_concat"),
        loss=by_hand.hunyuan_video_from_image,
        pipeline="HunyuanVideoImageToVideoPipeline",
        first_frame=True,
        begun=by_hand.hunyuan_begun,
        kept=lambda latents: latents[:, :, 1:],
    ),
    "hunyuan_video_image": Case(
        family=HunyuanVideoFromImage(),
        make=partial(tiny_pipelines.hunyuan_video, image="token_replace"),
        loss=by_hand.hunyuan_video_from_image,
        pipeline="HunyuanVideoImageToVideoPipeline",
        first_frame=True,
        begun=by_hand.hunyuan_begun,
    ),
}
