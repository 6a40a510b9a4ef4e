"""eps and v: targets by hand, and DDIM of diffusers as the judge of sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from preprocess.io.settings import override
from tests.training.tiny import TEXT, VAE, tiny_dit_module
from training.models.motion import MotionConfig
from training.models.on_demand import at_hand
from training.models.pixart import PixArtConfig
from training.models.vae import VideoVae
from training.objectives.diffusion import Diffusion, Schedule
from training.objectives.dit import DitObjective
from training.objectives.dit_module import DitModule
from training.objectives.flow import euler, noised
from training.objectives.generate import GenerateConfig, generate
from training.recipes import tiny_dit
from training.run.module import Batch
from training.run.noise import SampleNoise

SHAPE = (4, 2, 2, 2)
PIXART = PixArtConfig(dim=48, heads=3, layers=2, text_dim=16, in_channels=9)


def test_what_is_predicted_by_hand() -> None:
    config = Diffusion(predicts="eps", first_beta=0.1, last_beta=0.1)
    schedule = Schedule(config)
    # After three steps 0.9^3 of the data's variance is left.
    level = schedule.levels[2:3].float()
    assert schedule.told(level).tolist() == [2.0]
    clean, eps = torch.full((1, 1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1, 1), -3.0)
    a, b = 0.729**0.5, (1 - 0.729) ** 0.5
    assert schedule.noised(clean, eps, level).item() == pytest.approx(2 * a - 3 * b, abs=1e-6)
    assert schedule.target(clean, eps, level).item() == -3
    by_v = Schedule(replace(config, predicts="v"))
    assert by_v.target(clean, eps, level).item() == pytest.approx(-3 * a - 2 * b, abs=1e-6)
    # The straight line's point at that level is the circle's, made smaller.
    assert noised(clean, eps, level).item() == pytest.approx((2 * a - 3 * b) / (a + b), abs=1e-6)


@pytest.mark.parametrize("predicts", ["eps", "v"])
@pytest.mark.parametrize("betas", ["linear", "scaled_linear"])
def test_who_knows_the_truth_gives_the_velocity(predicts: str, betas: str) -> None:
    schedule = Schedule(Diffusion(predicts=predicts, betas=betas))
    generator = torch.Generator().manual_seed(0)
    clean, eps = (torch.randn(6, *SHAPE, generator=generator) for _ in range(2))
    levels = torch.tensor([0.05, 0.3, 0.5, 0.77, 0.9, float(schedule.levels[400])])

    def truth(circle: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        assert ((times >= 0) & (times <= 999)).all()
        return schedule.target(clean, eps, levels)

    velocity = schedule.velocity(truth, noised(clean, eps, levels), levels)
    assert torch.allclose(velocity, eps - clean, atol=2e-5)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize(("predicts", "zero"), [("eps", False), ("v", False), ("v", True)])
@pytest.mark.parametrize("betas", ["linear", "scaled_linear"])
def test_euler_steps_are_diffusers_ddim(betas: str, predicts: str, zero: bool, spacing: str) -> None:
    from diffusers import DDIMScheduler

    config = Diffusion(predicts=predicts, betas=betas, spacing=spacing, zero_at_end=zero)  # type: ignore[arg-type]
    theirs = DDIMScheduler(
        beta_start=config.first_beta,
        beta_end=config.last_beta,
        beta_schedule=betas,
        prediction_type={"eps": "epsilon", "v": "v_prediction"}[predicts],
        timestep_spacing=spacing,
        rescale_betas_zero_snr=zero,
        clip_sample=False,
    )
    theirs.set_timesteps(8)  # a divisor of 1000: else its steps do not end where the next ones begin
    noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    told: list[float] = []

    def network(latents: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        told.append(float(times[0]))
        return torch.tanh(latents.roll(1, 1) + times.view(-1, 1, 1, 1, 1) / 1000)

    sample = noise
    for time in theirs.timesteps:
        sample = theirs.step(network(sample, time.expand(2)), time, sample).prev_sample
    before, told = told, []
    schedule = config.schedule()
    assert schedule is not None
    levels = schedule.visited(8)
    ours = euler(lambda z, t: schedule.velocity(network, z, t / 1000), schedule.begun(noise, levels), levels)
    assert told == before
    near = 2e-6 if zero else 1e-6  # their moved schedule is computed in float32
    assert (ours - sample).abs().max() < near * max(1, float(sample.abs().max()))


def test_without_a_schedule_nothing_is_otherwise() -> None:
    assert Diffusion().schedule() is None
    with pytest.raises(ValueError, match="predict v"):
        Diffusion(predicts="eps", zero_at_end=True)
    with pytest.raises(ValueError, match="first_beta"):
        Diffusion(first_beta=0.5, last_beta=0.1)
    with pytest.raises(ValueError, match="from 1 to 1000"):
        Schedule(Diffusion(predicts="v")).visited(1001)


def batch() -> Batch:
    video = torch.rand(3, 3, 5, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    ids = ["a", "b", "c"]
    return Batch(video=video, captions=[f"a {name}" for name in ids], clip_ids=ids, tokens=2)


def module(predicts: str, **parts: Any) -> DitModule:
    objective = DitObjective(
        vae="", model=replace(PIXART, **parts), text=TEXT, latent_scale=1.0, diffusion=Diffusion(predicts=predicts)
    )
    made = DitModule(objective, at_hand(VideoVae(VAE)))
    made.materialise("dit", torch.device("cpu"))
    made.model.dit.patches_out.weight.data.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    return made


@pytest.mark.parametrize("predicts", ["velocity", "eps"])
def test_the_first_generation_trains_and_samples_on_the_same_driver(predicts: str) -> None:
    made = module(predicts, skips=True, motion=MotionConfig(kind="hybrid", heads=4))
    clips = batch()
    losses = []
    optimizer = torch.optim.AdamW(made.model.parameters(), lr=3e-3)
    for step in range(16):
        loss = made.loss("dit", clips, SampleNoise(0, step, clips.clip_ids), step)
        optimizer.zero_grad()
        (loss.total / loss.weight).backward()
        optimizer.step()
        losses.append(float(loss.total.detach()) / loss.weight)
    assert sum(losses[-5:]) < sum(losses[:5])
    noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        made_latents = generate(made, ["a", "b"], noise, GenerateConfig(num_steps=4, guidance=2.0))
        first = made.latents(clips)[:2, :, :1]
        told = generate(made, ["a", "b"], noise, GenerateConfig(num_steps=4), first_frames=first)
    assert made_latents.isfinite().all()
    assert made.decoded(made_latents).shape == (2, 3, 5, 16, 16)
    assert not torch.allclose(told, made_latents, atol=1e-3)


def test_the_loss_is_that_of_what_is_predicted() -> None:
    made, clips = module("v"), batch()
    loss = made.loss("dit", clips, SampleNoise(0, 0, clips.clip_ids), 0)
    noise = SampleNoise(0, 0, clips.clip_ids)
    clean = made.latents(clips)
    eps, times = noise.normal(*SHAPE), noise.integers(0, 1000)
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    kept = (1 - betas).cumprod(0)[times].view(-1, 1, 1, 1, 1)
    a, b = kept.sqrt().float(), (1 - kept).sqrt().float()
    chance, dropped = noise.uniform(), noise.uniform() < 0.1
    captions = ["" if gone else text for text, gone in zip(clips.captions, dropped.tolist(), strict=True)]
    condition = made._training_condition(clips, clean, chance, noise)
    said = made.model(a * clean + b * eps, times.float(), captions, condition)
    wanted = (said - (a * eps - b * clean)).detach().square().sum()
    assert float(loss.total.detach()) == pytest.approx(float(wanted), rel=1e-4)


def test_all_of_it_is_set_on_the_command_line() -> None:
    config = override(
        tiny_dit("clips", "out"),
        [
            "objective.model=training.models.pixart:PixArtConfig",
            "objective.model.dim=96",
            "objective.model.motion.kind=hybrid",
            "objective.model.skips=true",
            "objective.diffusion.predicts=v",
        ],
    )
    assert config.objective.model == PixArtConfig(dim=96, skips=True, motion=MotionConfig(kind="hybrid"))
    assert config.objective.diffusion.predicts == "v"


def test_a_sample_is_not_divided_among_ranks() -> None:
    with pytest.raises(ValueError, match="this is a PixArt"):
        module("eps").spread(None)


def test_the_transformer_predicts_v_as_well() -> None:
    made = tiny_dit_module(diffusion=Diffusion(predicts="v"))
    noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert generate(made, ["a", "b"], noise, GenerateConfig(num_steps=3)).isfinite().all()
