"""Solvers against a path whose end is known, and Euler's steps against diffusers'."""

import sys

import pytest
import torch

from tests.training.tiny import tiny_dit_module
from training.objectives.flow import TIMESTEPS, Recorded, sampling_levels
from training.objectives.generate import GenerateConfig, generate
from training.objectives.solvers import _CLASSES, solve

MEAN, DEVIATION = 1.5, 0.4


def velocity(latents: torch.Tensor, told_B: torch.Tensor) -> torch.Tensor:
    """Of data that is normal: E[eps - x | z]."""
    level = (told_B / TIMESTEPS).view(-1, 1, 1, 1, 1)
    away = latents - (1 - level) * MEAN
    variance = (1 - level) ** 2 * DEVIATION**2 + level**2
    return (level - (1 - level) * DEVIATION**2) / variance * away - MEAN


def error(scheduler: str, steps: int, shift: float = 1.0) -> float:
    """From where each path ends, which is noise times the deviation beside the mean."""
    noise = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    made = solve(scheduler, velocity, noise, sampling_levels(steps, shift=shift))
    return float((made - (MEAN + DEVIATION * noise)).square().mean().sqrt())


@pytest.mark.parametrize("scheduler", _CLASSES)
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_higher_orders_are_nearer_in_as_many_steps(scheduler: str, shift: float) -> None:
    errors = {steps: (error(scheduler, steps, shift), error("euler", steps, shift)) for steps in (10, 20, 40)}
    assert all(ours < euler for ours, euler in errors.values())
    assert errors[20][0] < errors[20][1] / 2
    assert error(scheduler, 1, shift) < 1


@pytest.mark.parametrize("shift", [1.0, 2.7])
def test_euler_is_that_of_diffusers(shift: float) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    module, config = tiny_dit_module(), GenerateConfig(num_steps=7, guidance=3.0, shift=shift, negative="blue")
    noise = torch.randn(1, 4, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = generate(module, ["a red circle"], noise, config)
        scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=TIMESTEPS)
        scheduler.set_timesteps(sigmas=sampling_levels(7, shift=shift)[:-1].tolist())
        texts, latents = [module.encoded([text]) for text in ("a red circle", "blue")], noise
        for told in scheduler.timesteps:
            with_text, without = (module.velocity(latents, told[None], text, None) for text in texts)
            latents = scheduler.step(without + 3.0 * (with_text - without), told, latents, return_dict=False)[0]
    torch.testing.assert_close(ours, latents, atol=1e-6, rtol=1e-6)


def test_a_negative_prompt_leads_elsewhere_and_none_is_no_text() -> None:
    module = tiny_dit_module()
    noise = torch.randn(1, 4, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        none, empty, blue = (
            generate(module, ["a red circle"], noise, GenerateConfig(num_steps=2, **negative))
            for negative in ({}, {"negative": ""}, {"negative": "blue"})
        )
    assert torch.equal(none, empty)
    assert not torch.allclose(none, blue)


def test_each_step_is_told_and_can_end_the_sampling() -> None:
    class EnoughError(Exception):
        pass

    def on_step(step: int) -> None:
        told.append(step)
        if len(told) == 3:
            raise EnoughError

    for scheduler in ("euler", *_CLASSES):
        told: list[int] = []
        with pytest.raises(EnoughError):
            solve(scheduler, velocity, torch.zeros(1, 1, 1, 1, 1), sampling_levels(5), on_step=on_step)
        assert told == [0, 1, 2]


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.zeros(1, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="steps of euler alone"):
        solve("dpm++", velocity, noise, sampling_levels(5), recorded=Recorded(steps=frozenset({4})))
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ValueError, match="or take euler"):
        solve("unipc", velocity, noise, sampling_levels(5))
