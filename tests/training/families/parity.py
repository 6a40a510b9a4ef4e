"""How far our loss is from the recipe by hand, and our samples from those of the family's pipeline with our LoRA."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.training.families.by_hand import NOISE_SEED, picture_of
from tests.training.families.cases import CASES
from tests.training.families.tiny_pretrained_run import ShapesClips, pixels, run_config, shapes_batch
from training.export import export
from training.families.library import diffusers_class
from training.families.pretrained_module import NETWORK, PretrainedModule
from training.models.grid import Shape
from training.models.lora import lora_parameters
from training.models.pixels import as_model_input
from training.objectives.flow import euler
from training.run.noise import SampleNoise
from training.run.runs import trained_module

PLACES = [0, 3]


def loss_error(case: str, folder: Path) -> float:
    """Difference of the two losses of two clips, with the same noise."""
    known, config = CASES[case], run_config("", case, folder)
    assert isinstance(config.data, ShapesClips)
    module = config.objective.build(config)
    assert isinstance(module, PretrainedModule)
    module.materialise(NETWORK, torch.device("cpu"))
    module.transformer.eval()
    batch = shapes_batch(replace(config.data, cached=False), config, PLACES)
    loss = module.loss(NETWORK, batch, SampleNoise(0, 0, batch.clip_ids), 0)
    noise = SampleNoise(0, 0, batch.clip_ids)
    eps = noise.normal(*latent_shape(module, known.frames, known.side))
    video = as_model_input(pixels(known.frames, known.side)[PLACES])
    wanted = known.loss(pipeline(case, folder), video, batch.captions, eps, noise)
    return abs(float(loss.total.detach()) / loss.weight - float(wanted))


def lora_reload_error(case: str, folder: Path, run: Path, out: Path) -> float:
    """Largest difference of the latents that both make of the same noise, in four steps."""
    known, module = CASES[case], trained_module(str(run))
    assert isinstance(module, PretrainedModule)
    assert any(weight.abs().max() > 0 for name, weight in lora_parameters(module.transformer).items() if "up" in name)
    pipe = pipeline(case, folder)
    caption = "a red circle moving left slowly"
    shape = latent_shape(module, known.frames, known.side)
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(NOISE_SEED))
    started, condition = noise, None
    if known.first_frame:
        frames = as_model_input(pixels(known.frames, known.side)[:1])[:, :, :1]
        condition = module.video.first_frame(frames, noise.shape[2])
        started = known.begun(noise, module.video.latents_of(frames))
    size = {"num_frames": known.frames, "height": known.side, "width": known.side}
    settings: dict[str, Any] = {"num_inference_steps": 4, "output_type": "latent", **size, **known.sample}
    settings = {name: value for name, value in settings.items() if value is not None}
    pipe.set_progress_bar_config(disable=True)

    def sampled() -> torch.Tensor:
        if known.sampled is not None:
            return known.sampled(pipe, noise, caption)
        told = known.told(picture_of(frames[0])) if known.first_frame else {}
        made: torch.Tensor = pipe(**{"prompt": caption, "latents": known.theirs(started), **settings, **told}).frames
        return made

    without = sampled()
    known.load(pipe, export(str(run), out / f"{case}.safetensors", "diffusers"))
    theirs = sampled()
    assert (theirs - without).abs().max() > 1e-3
    with torch.no_grad():
        text, video = module.video.read([caption], condition), module.video
        ours = euler(lambda z, t: video.velocity(z, t, text, condition), noise, known.levels(pipe))
    return float((known.theirs(known.kept(ours)) - theirs).abs().max())


def pipeline(case: str, folder: Path) -> Any:
    kind = diffusers_class(CASES[case].pipeline or CASES[case].family.pipeline)
    return kind.from_pretrained(folder, dtype=torch.float32, **dict.fromkeys(CASES[case].absent))


def latent_shape(module: PretrainedModule, frames: int, side: int) -> tuple[int, ...]:
    return (module.video.latent_channels, *module.video.grid.latents(Shape(frames, side, side)))
