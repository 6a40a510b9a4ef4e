"""Shots from pictures made here, with every transition at a known frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from preprocess.shots.detector import ShotConfig, ShotDetector
from preprocess.shots.shot import Shot
from tests.preprocess.shots.films import (
    BLACK,
    HEIGHT,
    TEAL,
    WHITE,
    WIDTH,
    cuts,
    detect,
    fade,
    mix,
    pan,
    picture,
    still,
    to_bytes,
    zoom,
)


def test_margin_is_dropped_at_transitions_and_not_at_the_edges() -> None:
    frames = np.concatenate([still(0, 50), still(1, 50)])
    _, shots = detect(frames, ShotConfig(margin_frames=3))
    assert [(shot.start, shot.end) for shot in shots] == [(0, 47), (53, 100)]


@pytest.mark.parametrize("num_frames", [6, 24, 48])
@pytest.mark.parametrize("colour", [BLACK, WHITE, TEAL])
def test_no_faded_frame_stays_in_a_shot(num_frames: int, colour: tuple[int, int, int]) -> None:
    before, after = picture(0), picture(1)
    frames = np.concatenate([still(0, 90), fade(before, after, colour, num_frames), still(1, 90)])
    transitions, shots = detect(frames)
    assert [transition.kind for transition in transitions] == ["fade"]
    assert len(shots) == 2
    assert 80 <= shots[0].end <= 90
    assert 90 + num_frames <= shots[1].start <= 100 + num_frames


def test_fades_at_the_edges_of_the_stream_are_trimmed() -> None:
    black = np.broadcast_to(np.float32(BLACK), (HEIGHT, WIDTH, 3))
    frames = np.concatenate([black[None], mix(black, picture(0), 20), still(0, 100), mix(picture(0), black, 20)])
    transitions, shots = detect(frames)
    assert [transition.kind for transition in transitions] == ["fade", "fade"]
    [shot] = shots
    assert 21 <= shot.start <= 27
    assert 115 <= shot.end <= 121


@pytest.mark.parametrize("num_frames", [6, 12, 30, 60])
def test_no_dissolved_frame_stays_in_a_shot(num_frames: int) -> None:
    frames = np.concatenate([still(0, 90), mix(picture(0), picture(1), num_frames), still(1, 90)])
    transitions, shots = detect(frames)
    assert [transition.kind for transition in transitions] == ["dissolve"]
    assert 78 <= shots[0].end <= 90
    assert 90 + num_frames <= shots[1].start <= 102 + num_frames


def test_gradual_transitions_can_be_switched_off() -> None:
    frames = np.concatenate([still(0, 60), mix(picture(0), picture(1), 30), still(1, 60)])
    transitions, shots = detect(frames, ShotConfig(fades=False, dissolves=False))
    assert transitions == []
    assert len(shots) == 1


@pytest.mark.parametrize(
    "shares", [(0.9, 0.5, 0.2), (0.3, 0.7, 0.5, 0.2), (*np.linspace(0, 0.85, 8), *np.linspace(0.8, 0, 30))]
)
def test_light_that_rises_and_fades_is_no_join(shares: tuple[float, ...]) -> None:
    frames = still(0, 160)
    for at, share in enumerate(shares, 60):
        frames[at] += share * (np.float32(WHITE) - frames[at])
    assert detect(frames)[0] == []


def test_a_short_flat_shot_between_others_is_no_fade() -> None:
    flat = still(1, 30, noise=0.3)
    flat = flat.mean(axis=(1, 2), keepdims=True) + 0.15 * (flat - flat.mean(axis=(1, 2), keepdims=True))
    flat *= (1 - 0.3 * np.hanning(30))[:, None, None, None] ** [1, 0, 0]
    assert cuts(detect(np.concatenate([still(0, 60), flat, still(2, 60)]))[0]) == [60, 90]


def test_light_switched_off_and_on_is_no_join_and_a_dip_to_black_is() -> None:
    dark, dip = still(0, 160), still(0, 160)
    dark[60:90] += 0.75 * (np.float32(BLACK) - dark[60:90])
    dip[60:77] = fade(picture(0), picture(0), BLACK, 17)
    assert detect(dark)[0] == []
    assert [transition.kind for transition in detect(dip)[0]] == ["fade"]


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(pan(0, 200, 0.3), id="slow pan"),
        pytest.param(pan(0, 100, 4.0), id="fast pan"),
        pytest.param(np.repeat(pan(0, 60, 4.0), 3, axis=0), id="stuttering pan"),
        pytest.param(zoom(0, 200, 0.01), id="zoom"),
        pytest.param(still(0, 200, noise=6.0), id="noise"),
        pytest.param(np.repeat(picture(0)[None], 200, axis=0), id="frozen"),
        pytest.param(still(0, 200) * np.linspace(0.6, 1, 200)[:, None, None, None] ** [1, 0, 0], id="exposure"),
    ],
)
def test_one_take_stays_one_shot(frames: np.ndarray) -> None:
    transitions, shots = detect(frames)
    assert transitions == []
    assert [(shot.start, shot.end) for shot in shots] == [(0, len(frames))]


def test_a_large_object_passing_is_no_transition() -> None:
    frames = still(0, 160)
    for at in range(60):
        left, right = max(0, 3 * at - 50), min(WIDTH, 3 * at)
        frames[50 + at, 10:, left:right] = (40, 120, 140)
    assert detect(frames)[0] == []


def test_frame_rate_does_not_move_transitions() -> None:
    frames = np.concatenate([still(0, 70), still(1, 60), mix(picture(1), picture(2), 24), still(2, 60)])
    results = [detect(frames, fps=fps) for fps in (Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(30))]
    assert all(result == results[0] for result in results)


def test_settled_frames_keep_their_word() -> None:
    black = fade(picture(2), picture(3), BLACK, 24)
    frames = np.concatenate(
        [still(0, 130), mix(picture(0), picture(1), 30), still(1, 90), still(2, 90), black, still(3, 150)]
    )
    detector, open_start, promised, shots = ShotDetector(ShotConfig(), Fraction(24)), 0, set[int](), list[Shot]()
    for frame in to_bytes(frames):
        shots += detector.push(frame)
        assert detector.open_start >= open_start
        open_start = detector.open_start
        promised.update(range(open_start, detector.settled))
    shots += detector.finish()
    assert promised <= {index for shot in shots for index in range(shot.start, shot.end)}
    assert len(promised) > 200
    assert len(shots) == 4


@pytest.mark.parametrize("kind", ["one shot", "black", "flicker"])
def test_memory_and_delay_are_bounded(kind: str) -> None:
    one = still(0, 50)[:, ::6, ::6]
    other = {"one shot": one, "black": np.zeros_like(one) + np.float32(BLACK), "flicker": one[::-1] * 0.3}[kind]
    frames = to_bytes(np.concatenate([one, other]))
    detector, held, delays = ShotDetector(ShotConfig(), Fraction(24)), list[int](), list[int]()
    for at in range(3000):
        detector.push(frames[at % 100 if kind == "flicker" else min(at, 60 + at % 40)])
        pending = len(detector._pending.blends) + len(detector._pending.hard_cuts)
        held.append(detector._track.end - detector._track.first + pending)
        delays.append(at - max(detector.open_start, detector.settled))
    assert max(held) < 300
    assert max(delays) < 400


def test_tiny_streams() -> None:
    assert detect(still(0, 1))[1] == [Shot(start=0, end=1)]
    assert ShotDetector(ShotConfig(), Fraction(24)).finish() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": "magic"}, "'magic', allowed are adaptive, content"),
        ({"margin_frames": -1}, "margin_frames is -1"),
        ({"adaptive_threshold": 0.0}, "adaptive_threshold is 0.0"),
    ],
)
def test_impossible_settings_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShotConfig(**change)  # type: ignore[arg-type]
