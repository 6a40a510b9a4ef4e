"""Cuts at known frames between pictures made here, and what only looks like one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from preprocess.shots.detector import ShotConfig
from tests.preprocess.shots.films import (
    BLACK,
    HEIGHT,
    WHITE,
    WIDTH,
    cuts,
    detect,
    pan,
    picture,
    still,
)

SOLID = (1.0,)


@pytest.mark.parametrize("detector", ["adaptive", "content"])
def test_hard_cuts_are_found_at_their_frame(detector: str) -> None:
    lengths = [40, 5, 80, 30, 12]
    frames = np.concatenate([still(seed, length) for seed, length in enumerate(lengths)])
    transitions, shots = detect(frames, ShotConfig(detector=detector, margin_frames=0))
    assert cuts(transitions) == [40, 45, 125, 155]
    assert [(shot.start, shot.end) for shot in shots] == [(0, 40), (40, 45), (45, 125), (125, 155), (155, 167)]


@pytest.mark.parametrize("contrast", [0.5, 0.2, 0.1])
@pytest.mark.parametrize("level", [20, 128, 230])
def test_a_cut_needs_neither_colour_nor_contrast(contrast: float, level: float) -> None:
    frames = np.concatenate([still(0, 40, noise=0), still(1, 40, noise=0), still(2, 40, noise=0)])
    frames[..., 0] = level + contrast * (frames[..., 0] - frames[..., 0].mean(axis=(1, 2), keepdims=True))
    frames[..., 1:] = 128
    assert cuts(detect(frames + np.random.default_rng(0).normal(0, 0.5, frames.shape))[0]) == [40, 80]


def closer(frames: np.ndarray, part: float, x: float) -> np.ndarray:
    """A part of the picture, `x` from its left, enlarged to its size."""
    matrix = np.float32([[1 / part, 0, -x * WIDTH / part], [0, 1 / part, 0]])
    return np.stack([cv2.warpAffine(frame, matrix, (WIDTH, HEIGHT)) for frame in frames])


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(closer(pan(0, 120, 0.3)[60:], 0.8, 0.1), id="punch-in"),
        pytest.param(closer(pan(0, 120, 0.3)[60:], 0.77, 0.23), id="reframing"),
        pytest.param(pan(0, 120, 0.3)[60:, :, ::-1], id="flip"),
        pytest.param(pan(0, 160, 0.3)[100:], id="later in the take"),
    ],
)
def test_a_jump_within_one_take_is_a_cut(later: np.ndarray) -> None:
    assert cuts(detect(np.concatenate([pan(0, 120, 0.3)[:60], later]))[0]) == [60]


def test_cuts_between_doubled_frames_are_found() -> None:
    frames = np.concatenate([np.repeat(pan(0, 40, 1.5), 2, axis=0), np.repeat(pan(1, 40, 1.5), 2, axis=0)])
    assert cuts(detect(frames)[0]) == [80]


@pytest.mark.parametrize("num_flash_frames", [1, 2, 4])
@pytest.mark.parametrize("levels", [60, 255])  # a partly lit picture and a white one
def test_flash_is_no_cut(num_flash_frames: int, levels: int) -> None:
    frames = still(0, 120)
    frames[60 : 60 + num_flash_frames, ..., 0] += levels
    transitions, shots = detect(frames)
    assert transitions == []
    assert [(shot.start, shot.end) for shot in shots] == [(0, 120)]


@pytest.mark.parametrize("colour", [BLACK, WHITE])
@pytest.mark.parametrize(
    ("first", "second"),
    [((0.85,), (0.85,)), ((0.6,), (0.6,)), ((0.9,), (0.6, 0.3)), ((), (0.9, 0.6, 0.3)), (SOLID, ()), (5 * SOLID, ())],
)
def test_a_cut_behind_few_bright_or_dark_frames_is_found(
    colour: tuple[int, int, int], first: tuple[float, ...], second: tuple[float, ...]
) -> None:
    frames = np.concatenate([still(0, 80), still(1, 80)])
    start, end = 80 - len(first), 80 + len(second)
    for at, share in zip(range(start, end), first + second, strict=True):
        frames[at] += share * (np.float32(colour) - frames[at])
    transitions, shots = detect(frames)
    assert len(transitions) == 1
    assert len(shots) == 2
    assert start - 6 <= shots[0].end <= start
    assert end <= shots[1].start <= end + 6


def test_a_frame_of_something_else_costs_itself_alone() -> None:
    frames = still(0, 120)
    frames[60] = picture(1)
    transitions, shots = detect(frames, ShotConfig(margin_frames=0))
    assert [(transition.start, transition.end) for transition in transitions] == [(60, 61)]
    assert [(shot.start, shot.end) for shot in shots] == [(0, 60), (61, 120)]


def test_light_that_fades_after_a_hidden_cut_is_in_no_shot() -> None:
    white = np.array(WHITE, np.float32)
    bright = [share * white + (1 - share) * picture(1) for share in (0.8, 0.5, 0.25)]
    frames = np.concatenate([still(0, 60), 0.2 * still(0, 1) + 0.8 * white, np.stack(bright), still(1, 60)])
    _, shots = detect(frames)
    assert [shot.end for shot in shots[:-1]] == [59]
    assert shots[-1].start in (64, 65)


def test_a_jump_that_leaves_the_ground_alike_is_a_cut() -> None:
    ground, thing = picture(5), picture(6)[:36, :60]
    here, there = ground.copy(), np.roll(ground, 2, axis=1)
    here[9:45, 4:64] = there[12:48, 30:90] = thing
    noise = np.random.default_rng(0).normal(0, 0.3, (40, HEIGHT, WIDTH, 3)).astype(np.float32)
    assert cuts(detect(np.concatenate([here + noise, there + noise]))[0]) == [40]


def test_a_few_frames_left_out_are_no_cut() -> None:
    frames = pan(0, 130, 1.0)
    assert detect(np.concatenate([frames[:60], frames[62:]]))[0] == []


@pytest.mark.parametrize("light", [1.0, 0.15])
def test_a_subtitle_or_an_inset_that_comes_is_no_cut(light: float) -> None:
    frames = still(0, 120, noise=0.5)
    frames[..., 0] *= light
    frames[40:80, 44:50, 20:76] = WHITE
    frames[60:100, 4:22, 60:90] = picture(5)[:18, :30]
    assert detect(frames)[0] == []


def test_bars_that_come_are_no_cut() -> None:
    frames = pan(0, 120, 0.3)
    frames[60:, :8], frames[60:, -8:] = BLACK, BLACK
    assert detect(frames)[0] == []


def test_portrait_frames_are_cut_too() -> None:
    frames = np.concatenate([still(0, 30), still(1, 30)]).transpose(0, 2, 1, 3)
    assert cuts(detect(np.ascontiguousarray(frames))[0]) == [30]
