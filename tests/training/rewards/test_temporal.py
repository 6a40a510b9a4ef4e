"""Motion by construction: a steady pan is better than one that flickers, and that than a film which stands still."""

from __future__ import annotations

import torch
from torch.nn import functional

from training.rewards.temporal import SmoothMotionReward
from training.shapes.corpus import render, scenes

REWARD = SmoothMotionReward(side=32)
SIZE, FRAMES = 32, 7


def texture(seed: int = 0) -> torch.Tensor:
    """(1, 3, 32, 80), blurred noise."""
    noise = torch.randn(1, 3, SIZE, 80, generator=torch.Generator().manual_seed(seed))
    blurred = functional.avg_pool2d(functional.pad(noise, (3,) * 4, mode="circular"), 7, 1)
    return (blurred / blurred.std() * 0.35).clamp(-1, 1)


def pan(places: list[int], seed: int = 0) -> torch.Tensor:
    """(1, 3, F, 32, 32), the texture seen from places along it."""
    return torch.stack([texture(seed)[..., place : place + SIZE] for place in places], dim=2)


def worth(video: torch.Tensor) -> float:
    return float(REWARD(video, [""] * len(video)).mean().detach())


STEADY = pan([2 * frame for frame in range(FRAMES)])
FROZEN = pan([0] * FRAMES)
GENERATOR = torch.Generator().manual_seed(1)
FLICKER = 0.25 * torch.randn(1, 1, FRAMES, 1, 1, generator=GENERATOR)
NOISE = 0.25 * torch.randn(STEADY.shape, generator=GENERATOR)


def test_a_steady_pan_is_better_than_with_flicker_or_noise_and_that_than_nothing() -> None:
    assert worth(STEADY) > 0.6
    for disturbed in (STEADY + FLICKER, STEADY + NOISE):
        assert 0.05 < worth(disturbed) < worth(STEADY) - 0.2
    assert -0.1 < worth(FROZEN) < 0.01


def test_what_changes_without_moving_steadily_is_worth_little() -> None:
    share = torch.linspace(0, 1, FRAMES).view(1, 1, FRAMES, 1, 1)
    films = {
        "frozen with flicker": FROZEN + FLICKER,
        "fade": FROZEN * share,
        "cross-fade": FROZEN * (1 - share) + pan([0] * FRAMES, seed=5) * share,
        "shake": pan([3 * (frame % 2) for frame in range(FRAMES)]),
        "noise": 0.5 * torch.randn(STEADY.shape, generator=GENERATOR),
    }
    assert {name: round(worth(film), 2) for name, film in films.items() if worth(film) > 0.3} == {}


def test_speed_and_direction_do_not_matter_within_reach() -> None:
    backwards, slow = STEADY.flip(2), pan(list(range(FRAMES)))
    assert worth(backwards) > 0.6
    assert worth(slow) > 0.6
    assert worth(STEADY.transpose(3, 4)) > 0.6


def ascended(video: torch.Tensor, steps: int, size: float = 1.0) -> torch.Tensor:
    for _ in range(steps):
        video = video.detach().requires_grad_()
        [gradient] = torch.autograd.grad(REWARD(video, [""]).sum(), video)
        assert gradient.isfinite().all()
        video = video + size * gradient / gradient.norm()
    return video.detach()


def test_gradients_lead_from_flicker_and_from_standing_still_to_motion() -> None:
    flickering = STEADY + FLICKER
    assert worth(ascended(flickering, 10)) > worth(flickering) + 0.1
    almost_still = FROZEN + 0.05 * NOISE
    assert worth(almost_still) < 0.05
    assert worth(ascended(almost_still, 20, size=3.0)) > worth(FROZEN) + 0.4


def test_films_of_the_corpus_are_better_than_their_frames_frozen_flickering_or_in_disorder() -> None:
    judge = SmoothMotionReward()
    drawn = scenes(3, seed=3)
    films = torch.stack([torch.from_numpy(render(scene, size=32, num_frames=9, fps=4)) for scene in drawn])
    films = films.permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    told = [""] * 3
    plain = judge(films, told)
    flicker = 0.1 * torch.randn(3, 1, 9, 1, 1, generator=GENERATOR)
    others = films[:, :, :1].expand_as(films), films + flicker, films[:, :, torch.tensor([0, 5, 2, 7, 1, 8, 3, 6, 4])]
    for other in others:
        assert (judge(other, told) < plain - 0.2).all()


def test_two_frames_show_no_steady_motion_and_pictures_none() -> None:
    for frames in (1, 2):
        video = STEADY[:, :, :frames].clone().requires_grad_()
        made = REWARD(video, [""])
        assert made.tolist() == [0.0]
        made.sum().backward()
