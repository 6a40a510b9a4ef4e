"""Wipes and slides between pictures made here, at known frames, and what looks like them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from preprocess.shots.detector import ShotConfig
from tests.preprocess.shots.films import HEIGHT, WIDTH, detect, mix, pan, picture, still, zoom

BEFORE = 60
NEUTRAL = (0, 128, 128)
ROWS, COLUMNS = (np.mgrid[0:HEIGHT, 0:WIDTH].T / (HEIGHT, WIDTH)).T
SHAPES = {
    "left": 1 - COLUMNS,
    "down": ROWS,
    "corner": (ROWS + COLUMNS) / 2,
    "circle": np.hypot((COLUMNS - 0.5) * WIDTH, (ROWS - 0.5) * HEIGHT) / np.hypot(WIDTH / 2, HEIGHT / 2),
    "clock": np.arctan2(COLUMNS - 0.5, 0.5 - ROWS) / (2 * np.pi) % 1,
    "barn doors": 2 * abs(COLUMNS - 0.5),
}


LENGTHS = [10, pytest.param(24, marks=pytest.mark.attack), 40]


def mirrored(turn: str) -> object:
    """What the detector sees as it sees its mirror image; the long tests look whether it does."""
    return pytest.param(turn, marks=pytest.mark.attack)


def wipe(before: np.ndarray, after: np.ndarray, shape: np.ndarray, num_frames: int, softness: float) -> np.ndarray:
    """The later picture shows where the edge, so soft a part of its way wide, has been."""
    progress = np.arange(1, num_frames + 1)[:, None, None] / (num_frames + 1)
    share = np.clip((progress * (1 + softness) - shape) / softness, 0, 1)[..., None]
    wiped: np.ndarray = ((1 - share) * before + share * after).astype(np.float32)
    return wiped


def slide(before: np.ndarray, after: np.ndarray, num_frames: int, old_moves: bool, new_moves: bool) -> np.ndarray:
    """The later picture comes from the right; either may stay in its place."""
    frames = []
    for border in np.linspace(0, WIDTH, num_frames + 2)[1:-1].round().astype(int):
        old = before[:, border:] if old_moves else before[:, : WIDTH - border]
        new = after[:, :border] if new_moves else after[:, WIDTH - border :]
        frames.append(np.concatenate([old, new], axis=1))
    return np.stack(frames)


def joined(middle: np.ndarray) -> np.ndarray:
    return np.concatenate([still(0, BEFORE), middle, still(1, 90)])


def assert_found(middle: np.ndarray, fps: int = 24, repeats: int = 1) -> None:
    """One join, none of its frames in a shot, and nearly all of the others."""
    transitions, shots = detect(np.repeat(joined(middle), repeats, axis=0), fps=Fraction(fps))
    assert len(transitions) == 1
    assert transitions[0].kind in ("wipe", "dissolve")  # a soft edge is either
    end = BEFORE + len(middle)
    assert len(shots) == 2
    assert BEFORE - 12 <= shots[0].end / repeats <= BEFORE
    assert end <= shots[1].start / repeats <= end + 12


@pytest.mark.parametrize("num_frames", LENGTHS)
@pytest.mark.parametrize("softness", [0.01, 0.15])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_wiped_frame_stays_in_a_shot(shape: str, softness: float, num_frames: int) -> None:
    assert_found(wipe(picture(0), picture(1), SHAPES[shape], num_frames, softness))


@pytest.mark.parametrize("num_frames", LENGTHS)
@pytest.mark.parametrize(("old_moves", "new_moves"), [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize("turn", ["left", mirrored("right"), mirrored("up"), "down"])
def test_no_frame_of_a_slide_stays_in_a_shot(turn: str, old_moves: bool, new_moves: bool, num_frames: int) -> None:
    def turned(frames: np.ndarray) -> np.ndarray:
        frames = frames.swapaxes(-3, -2) if turn in ("up", "down") else frames
        return frames[..., ::-1, :] if turn in ("right", "down") else frames

    frames = turned(joined(slide(picture(0), picture(1), num_frames, old_moves, new_moves)))
    transitions, shots = detect(frames)
    assert [transition.kind for transition in transitions] == ["wipe"]
    assert shots[0].end <= BEFORE
    assert shots[1].start >= BEFORE + num_frames


def test_what_moves_beside_a_wipe_does_not_prolong_it() -> None:
    def moving(seed: int) -> np.ndarray:
        """A thing that crosses a third of the picture in three seconds."""
        frames = np.repeat(picture(seed)[None], 90, axis=0)
        for number, frame in enumerate(frames):
            frame[18:36, number : number + 18] = 200
        return frames

    middle = wipe(moving(0)[-12:], moving(1)[:12], SHAPES["left"], 12, 0.01)
    _, shots = detect(np.concatenate([moving(0)[:-12], middle, moving(1)[12:]]))
    assert len(shots) == 2
    assert 78 - 8 <= shots[0].end <= 78
    assert 90 <= shots[1].start <= 90 + 8


def test_a_wipe_to_the_place_of_the_shot_before_is_found() -> None:
    """With a cut between: nothing has passed."""
    middle = wipe(picture(0), picture(1), SHAPES["left"], 12, 0.05)
    transitions, _ = detect(np.concatenate([still(0, 90), middle, still(1, 10), still(0, 60)]))
    assert [transition.kind for transition in transitions] == ["wipe", "cut"]


def test_wipes_at_night_are_found() -> None:
    middle = wipe(picture(0), picture(1), SHAPES["left"], 20, 0.05)
    dark = (joined(middle) - NEUTRAL) * (0.12, 0.2, 0.2) + NEUTRAL
    assert [transition.kind for transition in detect(dark)[0]] == ["wipe"]


def test_wipes_at_60_frames_a_second_are_found() -> None:
    assert_found(wipe(picture(0), picture(1), SHAPES["circle"], 20, 0.05), fps=48, repeats=2)


def test_wipes_can_be_left_in() -> None:
    frames = joined(slide(picture(0), picture(1), 24, True, True))
    assert detect(frames, ShotConfig(wipes=False))[0] == []


def passing(width: int) -> np.ndarray:
    """A thing with a pattern of its own passes, from left to right, before a still view."""
    frames, thing = still(0, 150), picture(5)
    for at in range(40):
        left = int(-width + (WIDTH + width) * at / 39)
        begin, end = max(0, left), min(WIDTH, left + width)
        frames[60 + at, :, begin:end] = thing[:, begin - left : end - left]
    return frames


def inserted(share: float) -> np.ndarray:
    """A small picture slides in at the side, and stays."""
    frames, small = still(0, 150), picture(5)[: int(HEIGHT * share), : int(WIDTH * share)]
    for at in range(60, 150):
        shown = min(small.shape[1], 4 * (at - 59))
        frames[at, 4 : 4 + len(small), WIDTH - shown :] = small[:, :shown]
    return frames


def whipped() -> np.ndarray:
    """The camera swings away and comes back."""
    way = np.round(60 * np.sin(np.linspace(0, np.pi, 14))).astype(int)
    wide = picture(0, width=WIDTH + 64)
    swing = np.stack([wide[:, at : at + WIDTH] for at in way])
    rest = np.repeat(wide[None, :, :WIDTH], 60, axis=0)
    return np.concatenate([rest, swing, rest])


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(passing(40), id="a thing passes"),
        pytest.param(passing(WIDTH), id="a thing as wide as the picture passes"),
        pytest.param(inserted(0.45), id="picture in picture"),
        pytest.param(whipped(), id="whip pan and back"),
        pytest.param(pan(0, 150, 2.0), id="pan of two pictures in four seconds"),
        pytest.param(np.concatenate([still(0, 60), zoom(0, 20, 0.04)[1:], still(0, 60)]), id="zoom burst"),
    ],
)
def test_what_looks_like_a_wipe_is_none(frames: np.ndarray) -> None:
    assert "wipe" not in {transition.kind for transition in detect(frames)[0]}


def animated(
    radius: float, way: tuple[float, float], *, round_: bool, num_frames: int = 78, ground: int = 90
) -> np.ndarray:
    """A disc or square of one colour goes, in heights of the picture, over a ground of one colour."""
    frames = np.full((num_frames, HEIGHT, WIDTH, 3), (ground, 128, 128), np.float32)
    for frame, share in zip(frames, np.linspace(-0.5, 0.5, num_frames), strict=True):
        down = ROWS - 0.5 - way[0] * share
        across = (COLUMNS - 0.5) * WIDTH / HEIGHT - way[1] * share
        far = np.hypot(down, across) if round_ else np.maximum(abs(down), abs(across))
        cover = np.clip((radius - far) * HEIGHT + 0.5, 0, 1)[..., None]
        frame[:] = cover * np.float32((110, 200, 90)) + (1 - cover) * frame
    return frames


@pytest.mark.parametrize("round_", [True, False])
@pytest.mark.parametrize("way", [(0.0, 0.5), (0.0, 1.0), (0.3, 0.0), (0.3, -0.6)])
@pytest.mark.parametrize("radius", [0.18, 0.3])
def test_what_moves_in_an_animation_is_no_wipe(radius: float, way: tuple[float, float], round_: bool) -> None:
    """All that one knows such a picture by is where the thing is."""
    assert detect(animated(radius, way, round_=round_))[0] == []


@pytest.mark.parametrize("shape", ["left", "circle"])
def test_a_wipe_from_one_animation_to_another_is_found(shape: str) -> None:
    before = animated(0.3, (0.0, 0.2), round_=True)
    after = animated(0.3, (0.2, 0.0), round_=False, ground=150)
    transitions, _ = detect(np.concatenate([before, wipe(before[-1], after[0], SHAPES[shape], 24, 0.01), after]))
    assert [transition.kind for transition in transitions] == ["wipe"]
    assert transitions[0].start <= len(before)
    assert transitions[0].end >= len(before) + 22  # at the edge there is little left to change


@pytest.mark.parametrize(("beside", "above"), [(20, 0), (0, 10), (20, 10)])
def test_a_wipe_inside_black_bars_is_found(beside: int, above: int) -> None:
    frames = joined(wipe(picture(0), picture(1), SHAPES["left"], 24, 0.05))
    frames[:, :, :beside] = frames[:, :, WIDTH - beside :] = NEUTRAL
    frames[:, :above] = frames[:, HEIGHT - above :] = NEUTRAL
    assert [transition.kind for transition in detect(frames)[0]] == ["wipe"]


@pytest.mark.parametrize("num_frames", [6, 16, 40])
def test_dissolves_at_night_are_found(num_frames: int) -> None:
    frames = np.concatenate([still(0, 70), mix(picture(0), picture(1), num_frames), still(1, 90)])
    dark = (frames - NEUTRAL) * (0.1, 0.15, 0.15) + NEUTRAL
    transitions, shots = detect(dark)
    assert [transition.kind for transition in transitions] == ["dissolve"]
    assert shots[0].end <= 70
    assert shots[1].start >= 70 + num_frames


def test_a_blend_that_settles_slowly_is_found() -> None:
    """As at a low bitrate, where the last traces of the old picture take some frames to go."""
    blend = mix(picture(0), picture(1), 6)
    traces = np.stack([mix(picture(0), picture(1), 199)[at] for at in range(186, 198)])
    frames = np.concatenate([still(0, 70), blend, traces, still(1, 90)])
    assert [transition.kind for transition in detect(frames)[0]] == ["dissolve"]
