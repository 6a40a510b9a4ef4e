import pytest
import torch

from training.objectives.flow import draw_levels, euler, noised, sampling_levels, shifted, target, timesteps
from training.run.noise import SampleNoise


def test_a_point_mass_is_reached_from_anywhere():
    """Data that is one point: the true velocity at z_s is (z_s - x) / s, and its lines are straight."""
    point = torch.randn(1, 2, 1, 3, 3)

    def velocity(latents, told_B):
        return (latents - point) / (told_B.view(-1, 1, 1, 1, 1) / 1000)

    start = torch.randn(5, 2, 1, 3, 3)
    for num_steps in (1, 7):
        end = euler(velocity, start, sampling_levels(num_steps, shift=3.0))
        assert torch.allclose(end, point.expand_as(end), atol=1e-5)


def test_a_gaussian_is_recovered():
    """Data N(m, d^2): the true velocity is E[eps - x | z_s], linear in z_s."""
    mean, deviation = 2.0, 0.5

    def velocity(latents, told_B):
        s = (told_B / 1000).view(-1, 1, 1, 1, 1)
        variance = (1 - s) ** 2 * deviation**2 + s**2
        covariance = s - (1 - s) * deviation**2
        return -mean + covariance / variance * (latents - (1 - s) * mean)

    start = torch.randn(20_000, 1, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    end = euler(velocity, start, sampling_levels(200))
    assert float(end.mean()) == pytest.approx(mean, abs=0.02)
    assert float(end.std()) == pytest.approx(deviation, abs=0.02)


def test_the_target_is_the_slope_of_the_line():
    clean, eps = torch.randn(2, 1, 1, 2, 2), torch.randn(2, 1, 1, 2, 2)
    low, high = torch.tensor([0.2, 0.5]), torch.tensor([0.4, 0.6])
    slope = (noised(clean, eps, high) - noised(clean, eps, low)) / (high - low).view(-1, 1, 1, 1, 1)
    assert torch.allclose(slope, target(clean, eps), atol=1e-5)
    assert torch.equal(noised(clean, eps, torch.ones(2)), eps)


def test_levels_are_uniform_in_1_to_1000_and_differ_between_clips():
    levels = draw_levels(SampleNoise(0, 0, [f"clip{i}" for i in range(4000)]))
    told = timesteps(levels)
    assert 1 <= float(told.min()) <= 5
    assert 995 <= float(told.max()) <= 1000
    assert float(levels.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(levels.std()) == pytest.approx(12**-0.5, abs=0.01)


def test_shift_moves_the_middle_towards_noise_and_keeps_the_ends():
    levels = sampling_levels(4, shift=3.0)
    assert levels.tolist() == pytest.approx([1.0, 0.9, 0.75, 0.5, 0.0])
    assert torch.equal(shifted(levels, 1.0), levels)
    with pytest.raises(ValueError, match="at least 1"):
        sampling_levels(0)


def test_only_the_last_steps_are_recorded():
    """d z_end / d w_i of a velocity that has its own weight in each step is zero in all but the last K."""
    weights = torch.ones(6, requires_grad=True)
    calls = iter(range(6))
    end = euler(lambda z, told: weights[next(calls)] * z, torch.ones(1, 1, 1, 1, 1), sampling_levels(6), graph_steps=2)
    end.sum().backward()
    assert (weights.grad != 0).tolist() == [False] * 4 + [True] * 2


def test_nothing_is_recorded_under_no_grad():
    weight = torch.ones(1, requires_grad=True)
    with torch.no_grad():
        end = euler(lambda z, told: weight * z, torch.ones(1, 1, 1, 1, 1), sampling_levels(3), graph_steps=3)
    assert not end.requires_grad
