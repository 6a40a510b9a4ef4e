"""A reward by which outlines are tuned knows them, and its gradient leads to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.inference.making import as_frames
from training.shapes.corpus import SHAPES, Scene, inside_shape, render, scenes
from training.shapes.rewards import ShapeReward, depth_inside
from training.shapes.truth import shape

RED = Scene(color="red", shape="circle", direction="left", speed="slowly", x=0.5, y=0.5, radius=0.22, grey=90)


def films(drawn: list[Scene], num_frames: int = 3) -> torch.Tensor:
    pixels = np.stack([render(scene, size=64, num_frames=num_frames, fps=4) for scene in drawn])
    return torch.from_numpy(pixels).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def test_each_shape_is_worth_most_by_its_own_name() -> None:
    drawn = scenes(24, seed=2)
    video = films(drawn)
    named = [[scene.caption.replace(scene.shape, name) for scene in drawn] for name in SHAPES]
    worth = torch.stack([ShapeReward()(video, captions) for captions in named])
    assert [SHAPES[place] for place in worth.argmax(0)] == [scene.shape for scene in drawn]
    assert float(worth.max(0).values.min()) > 0.8
    assert float(worth.max()) <= 1


def test_a_caption_without_a_shape_is_worth_nothing() -> None:
    assert ShapeReward()(films([RED, RED]), ["something red", "a circle"]).tolist()[0] == 0.0


def test_no_colour_is_no_shape() -> None:
    grey = torch.full((1, 3, 2, 64, 64), -0.3, requires_grad=True)
    worth = ShapeReward()(grey, ["a red square"])
    worth.sum().backward()
    assert 0 <= float(worth.detach()) < 0.1
    assert grey.grad is not None
    assert bool(grey.grad.isfinite().all())


@pytest.mark.parametrize("name", SHAPES)
def test_depth_is_positive_inside(name: str) -> None:
    x, y = np.random.default_rng(0).uniform(-1.5, 1.5, (2, 2000))
    inside = depth_inside(name, torch.from_numpy(x), torch.from_numpy(y)).numpy() > 0
    np.testing.assert_array_equal(inside, inside_shape(name, x, y))


@pytest.mark.parametrize("name", ["square", "triangle"])
def test_the_gradient_leads_from_a_circle_to_the_shape_that_is_asked_for(name: str) -> None:
    video = films([RED], num_frames=2).requires_grad_()
    caption = replace(RED, shape=name).caption
    steps = torch.optim.Adam([video], lr=0.03)
    before = float(ShapeReward()(video.detach(), [caption]))
    for _ in range(60):
        steps.zero_grad()
        (-ShapeReward()(video, [caption])).sum().backward()
        steps.step()
    assert float(ShapeReward()(video.detach(), [caption])) > before + 0.05
    assert shape(as_frames(films([RED]))[0]) == "circle"
    assert shape(as_frames(video.detach())[0]) == name
