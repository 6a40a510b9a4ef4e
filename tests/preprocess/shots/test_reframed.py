"""Pictures seen from nearer, from one side and in a mirror, among things that move."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from preprocess.shots.reframed import is_reframed
from preprocess.shots.track import Track

Seen = Callable[[np.ndarray], np.ndarray]

HEIGHT, WIDTH = 90, 160
CUT = 12


def place(seed: int = 0) -> np.ndarray:
    """Luma of a place with detail of all sizes, float32 (HEIGHT, WIDTH)."""
    rng = np.random.default_rng(seed)
    luma = np.full((HEIGHT, WIDTH), 120, np.float32)
    for cells in (6, 12, 24, 48):
        coarse = rng.uniform(-25, 25, (cells * 9 // 16 + 1, cells)).astype(np.float32)
        luma += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return luma


def view(luma: np.ndarray, part: float, x: float = 0.5, y: float = 0.5) -> np.ndarray:
    """A part of a picture, enlarged to its size; x and y, 0 to 1, say where."""
    left, top = x * (1 - part) * WIDTH, y * (1 - part) * HEIGHT
    matrix = np.array([[part, 0, left], [0, part, top]], np.float32)
    enlarged: np.ndarray = cv2.warpAffine(luma, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return enlarged


def as_it_is(luma: np.ndarray) -> np.ndarray:
    """All of it."""
    return luma


def seen(part: float, x: float = 0.5, y: float = 0.5) -> Seen:
    """How `view` shows a picture."""
    return lambda luma: view(luma, part, x, y)


def track_of(shown: list[Seen]) -> Track:
    """What each makes of a place and of a bright thing that crosses it, as frames of a detector."""
    track = Track()
    for number, show in enumerate(shown):
        luma = place()
        luma[30:60, 60 + 2 * number : 75 + 2 * number] = 200
        frame = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        frame[..., 0] = np.clip(show(luma), 0, 255)
        track.append(frame)
    return track


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(seen(0.8), id="a little nearer"),
        pytest.param(seen(0.6, 0.4, 0.6), id="nearer"),
        pytest.param(seen(0.75, 0, 1), id="a corner"),
        pytest.param(lambda luma: luma[:, ::-1], id="mirrored"),
    ],
)
def test_the_same_place_otherwise_seen_is_told_both_ways(later: Seen) -> None:
    assert is_reframed(track_of([as_it_is] * CUT + [later] * CUT), CUT, 1)
    assert is_reframed(track_of([later] * CUT + [as_it_is] * CUT), CUT, 1)


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param([as_it_is] * 2 * CUT, id="still"),
        pytest.param([as_it_is] * CUT + [lambda _: place(1)] * CUT, id="another place"),
        pytest.param([as_it_is] * CUT + [lambda luma: 0.6 * luma + 90] * CUT, id="another light"),
        pytest.param([seen(0.8, 0.04 * at) for at in range(2 * CUT)], id="pan"),
        pytest.param([seen(min(1, 0.75 ** (at - CUT + 1))) for at in range(2 * CUT)], id="quick zoom"),
    ],
)
def test_motion_light_and_other_places_are_not(shown: list[Seen]) -> None:
    assert not is_reframed(track_of(shown), CUT, 1)
