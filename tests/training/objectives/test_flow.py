import pytest
import torch

from training.objectives.flow import (
    Levels,
    Recorded,
    draw_levels,
    euler,
    noised,
    sampling_levels,
    shift_for,
    shifted,
    target,
    timesteps,
)
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
    end = euler(
        lambda z, told: weights[next(calls)] * z,
        torch.ones(1, 1, 1, 1, 1),
        sampling_levels(6),
        recorded=Recorded(steps=frozenset({4, 5})),
    )
    end.sum().backward()
    assert (weights.grad != 0).tolist() == [False] * 4 + [True] * 2


def test_nothing_is_recorded_under_no_grad():
    weight = torch.ones(1, requires_grad=True)
    with torch.no_grad():
        end = euler(
            lambda z, told: weight * z,
            torch.ones(1, 1, 1, 1, 1),
            sampling_levels(3),
            recorded=Recorded(steps=frozenset(range(3))),
        )
    assert not end.requires_grad


def drawn(levels: Levels, *, shift: float = 1.0) -> torch.Tensor:
    return draw_levels(SampleNoise(0, 0, [str(clip) for clip in range(4000)]), levels, shift=shift)


def test_logit_normal_levels_are_a_normal_number_s_sigmoid() -> None:
    logits = torch.logit(drawn(Levels(kind="logit_normal", mean=0.5, deviation=0.7)).double())
    assert float(logits.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(logits.std()) == pytest.approx(0.7, abs=0.05)


def test_a_shift_comes_after_the_draw() -> None:
    levels = Levels(kind="logit_normal")
    torch.testing.assert_close(drawn(levels, shift=3.0), shifted(drawn(levels), 3.0))


@pytest.mark.parametrize("kind", ["uniform", "logit_normal"])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_levels_in_a_range_are_those_that_were_drawn_there_anyway(kind: str, shift: float) -> None:
    whole, part = (drawn(Levels(kind=kind, **ends), shift=shift) for ends in ({}, {"min_timestep": 875}))
    assert 0.875 <= float(part.min()) < float(part.max()) <= 1
    inside = whole[whole >= 0.875]
    if kind == "uniform":
        assert len(inside) > 400
    for share in (0.25, 0.5, 0.75):
        assert float(part.quantile(share)) == pytest.approx(float(inside.quantile(share)), abs=0.01)
    low = drawn(Levels(kind=kind, max_timestep=100), shift=shift)
    assert 0 < float(low.min()) < float(low.max()) <= 0.1


def test_all_levels_are_drawn_as_ever() -> None:
    noise = SampleNoise(0, 0, ["a", "b"]).integers(1, 1001).float() / 1000
    assert torch.equal(draw_levels(SampleNoise(0, 0, ["a", "b"])), noise)


def test_four_times_the_tokens_shift_twice_as_far() -> None:
    assert shift_for(2.0, 4000, 1000) == 4.0
    assert shift_for(2.0, 4000, None) == 2.0


def test_levels_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="an empty range of 1 to 1000"):
        Levels(min_timestep=500, max_timestep=500)
    with pytest.raises(ValueError, match=r"levels\.deviation is 0"):
        Levels(deviation=0)
