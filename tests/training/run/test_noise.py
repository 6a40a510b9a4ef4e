"""A clip's noise is its own: neither its neighbours nor its rank have a say in it."""

from __future__ import annotations

import pytest
import torch

from training.run.noise import SampleNoise


def draws(clip_ids: list[str], *, seed: int = 1, step: int = 2, stream: str = "") -> dict[str, torch.Tensor]:
    noise = SampleNoise(seed, step, clip_ids, stream=stream)
    drawn = torch.cat([noise.uniform(3), noise.normal(4, 5).flatten(1), noise.integers(0, 9, 2)], 1)
    return dict(zip(clip_ids, drawn, strict=True))


def test_neighbours_change_nothing() -> None:
    whole, part = draws(["a", "b", "c"]), draws(["c", "a"])
    for clip_id, drawn in part.items():
        assert torch.equal(drawn, whole[clip_id])


@pytest.mark.parametrize("other", [{"seed": 2}, {"step": 3}, {"stream": "judge"}])
def test_seed_step_and_stream_change_all(other: dict[str, int]) -> None:
    assert not torch.equal(draws(["a"])["a"], draws(["a"], **other)["a"])
    assert not torch.equal(draws(["a", "b"])["a"], draws(["a", "b"])["b"])


def test_draws_go_on_and_are_what_they_say() -> None:
    noise = SampleNoise(0, 0, [str(index) for index in range(400)])
    assert not torch.equal(noise.normal(), noise.normal())
    normal, uniform, whole = noise.normal(50), noise.uniform(50), noise.integers(3, 7)
    assert (normal.shape, uniform.shape, whole.shape) == ((400, 50), (400, 50), (400,))
    assert (float(normal.mean()), float(normal.std())) == pytest.approx((0, 1), abs=0.03)
    assert (float(uniform.mean()), float(uniform.std())) == pytest.approx((0.5, 12**-0.5), abs=0.01)
    assert sorted(set(whole.tolist())) == [3, 4, 5, 6]
