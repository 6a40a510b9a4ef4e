"""Shots from pictures made here, with every transition at a known frame."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from preprocess.shots.detector import Shot, ShotConfig, ShotDetector, Transition

HEIGHT, WIDTH = 54, 96
BLACK, WHITE, TEAL = (0, 128, 128), (255, 128, 128), (110, 150, 90)


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A still of soft random blobs, float32 (height, width, 3), as unlike any other seed's as two scenes are."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform((20, 90, 90), (235, 166, 166), (6, 9, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def still(seed: int, num_frames: int, noise: float = 1.5) -> np.ndarray:
    rng = np.random.default_rng(seed + 1000)
    return picture(seed) + rng.normal(0, noise, (num_frames, HEIGHT, WIDTH, 3)).astype(np.float32)


def pan(seed: int, num_frames: int, pixels_per_frame: float) -> np.ndarray:
    wide = picture(seed, width=WIDTH + int(num_frames * pixels_per_frame) + 2)
    matrices = [np.float32([[1, 0, -at * pixels_per_frame], [0, 1, 0]]) for at in range(num_frames)]
    return np.stack([cv2.warpAffine(wide, matrix, (WIDTH, HEIGHT)) for matrix in matrices])


def zoom(seed: int, num_frames: int, growth: float) -> np.ndarray:
    matrices = [cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0, 1 + growth * at) for at in range(num_frames)]
    return np.stack([cv2.warpAffine(picture(seed), matrix, (WIDTH, HEIGHT)) for matrix in matrices])


def mix(before: np.ndarray, after: np.ndarray, num_frames: int) -> np.ndarray:
    """Linear dissolve whose every frame shows both pictures."""
    share = (np.arange(1, num_frames + 1) / (num_frames + 1))[:, None, None, None]
    return ((1 - share) * before + share * after).astype(np.float32)


def fade(before: np.ndarray, after: np.ndarray, colour: tuple[int, int, int], num_frames: int) -> np.ndarray:
    """Half fade-out and half fade-in, with one frame of the colour between them."""
    flat = np.broadcast_to(np.float32(colour), before.shape)
    half = num_frames // 2
    return np.concatenate([mix(before, flat, half), flat[None], mix(flat, after, num_frames - half - 1)])


def to_bytes(frames: np.ndarray) -> np.ndarray:
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


def detect(
    frames: np.ndarray, config: ShotConfig | None = None, fps: Fraction = Fraction(24)
) -> tuple[list[Transition], list[Shot]]:
    detector = ShotDetector(config or ShotConfig(), fps)
    shots = [shot for frame in to_bytes(frames) for shot in detector.push(frame)]
    shots += detector.finish()
    return detector.transitions, shots


def cuts(transitions: list[Transition]) -> list[int]:
    assert {transition.kind for transition in transitions} <= {"cut"}
    return [transition.start for transition in transitions]


@pytest.mark.parametrize("detector", ["adaptive", "content"])
def test_hard_cuts_are_found_at_their_frame(detector: str) -> None:
    lengths = [40, 5, 80, 30, 12]
    frames = np.concatenate([still(seed, length) for seed, length in enumerate(lengths)])
    transitions, shots = detect(frames, ShotConfig(detector=detector, margin_frames=0))
    assert cuts(transitions) == [40, 45, 125, 155]
    assert [(shot.start, shot.end) for shot in shots] == [(0, 40), (40, 45), (45, 125), (125, 155), (155, 167)]


def test_cuts_between_doubled_frames_are_found() -> None:
    frames = np.concatenate([np.repeat(pan(0, 40, 1.5), 2, axis=0), np.repeat(pan(1, 40, 1.5), 2, axis=0)])
    assert cuts(detect(frames)[0]) == [80]


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


@pytest.mark.parametrize("num_flash_frames", [1, 2, 4])
@pytest.mark.parametrize("levels", [60, 255])  # a partly lit picture and a white one
def test_flash_is_no_cut(num_flash_frames: int, levels: int) -> None:
    frames = still(0, 120)
    frames[60 : 60 + num_flash_frames, ..., 0] += levels
    transitions, shots = detect(frames)
    assert transitions == []
    assert [(shot.start, shot.end) for shot in shots] == [(0, 120)]


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
        held.append(detector._track.end - detector._track.first + len(detector._blends) + len(detector._hard_cuts))
        delays.append(at - max(detector.open_start, detector.settled))
    assert max(held) < 300
    assert max(delays) < 400


def test_tiny_streams() -> None:
    assert detect(still(0, 1))[1] == [Shot(start=0, end=1)]
    assert ShotDetector(ShotConfig(), Fraction(24)).finish() == []


def test_portrait_frames_are_cut_too() -> None:
    frames = np.concatenate([still(0, 30), still(1, 30)]).transpose(0, 2, 1, 3)
    assert cuts(detect(np.ascontiguousarray(frames))[0]) == [30]


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
